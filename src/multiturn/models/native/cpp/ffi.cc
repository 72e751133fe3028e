// The decoder as custom calls of XLA.
//
// The cache is changed in place: the caller says by input_output_aliases that each result is
// its argument. Everything that comes in is checked here, since inside a compiled program
// Python no longer can.
#include <exception>
#include <vector>

#include "registry.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

using Numbers = ffi::Buffer<ffi::DataType::S32>;
using FloatsIn = ffi::Buffer<ffi::DataType::F32>;
using FloatsOut = ffi::ResultBuffer<ffi::DataType::F32>;

ffi::Error wrong(const char* what) { return ffi::Error::InvalidArgument(what); }

template <class Work>
ffi::Error guarded(const Numbers& number, Work&& work) {
  if (number.element_count() != 1) return wrong("a decoder's number is one number");
  const auto decoder = mt::registry().find(number.typed_data()[0]);
  if (!decoder) return wrong("the decoder was closed");
  try {
    return work(*decoder);
  } catch (const std::invalid_argument& error) {
    return ffi::Error::InvalidArgument(error.what());
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

// What one pair of keys and values must be; null where it is.
const char* fault_of(const mt::Decoder& decoder, const ffi::AnyBuffer& keys,
                     const ffi::AnyBuffer& values, int64_t rows) {
  const mt::Spec& spec = decoder.spec();
  const auto cache = keys.dimensions();
  if (cache.size() != 5 || cache[0] != spec.layers || cache[1] != rows ||
      cache[2] != spec.kv_heads || cache[4] != decoder.padded_head())
    return "the cache is not of this decoder";
  const auto type = decoder.half_cache() ? ffi::DataType::BF16 : ffi::DataType::F32;
  if (keys.element_type() != type || values.element_type() != type)
    return "the cache is of another precision than the decoder";
  const auto same = values.dimensions();
  if (!std::equal(cache.begin(), cache.end(), same.begin(), same.end()))
    return "keys and values differ in shape";
  return nullptr;
}

// The memory of a result that is an argument changed; XLA may have put a copy there instead.
void* changed(const ffi::AnyBuffer& argument, ffi::Result<ffi::AnyBuffer> result) {
  if (result->untyped_data() != argument.untyped_data())
    std::memcpy(result->untyped_data(), argument.untyped_data(), argument.size_bytes());
  return result->untyped_data();
}

ffi::Error extend(Numbers number, Numbers tokens, Numbers counts, Numbers lengths,
                  ffi::AnyBuffer keys, ffi::AnyBuffer values, FloatsOut hidden,
                  ffi::Result<ffi::AnyBuffer> new_keys, ffi::Result<ffi::AnyBuffer> new_values) {
  return guarded(number, [&](mt::Decoder& decoder) {
    const auto shape = tokens.dimensions();
    if (shape.size() != 2) return wrong("tokens have the shape B T");
    const int64_t rows = shape[0], length = shape[1];
    if (const char* fault = fault_of(decoder, keys, values, rows)) return wrong(fault);
    if (counts.element_count() != static_cast<size_t>(rows) ||
        lengths.element_count() != static_cast<size_t>(rows))
      return wrong("counts and lengths are one number for each row");
    if (hidden->element_count() != static_cast<size_t>(rows * length * decoder.spec().width))
      return wrong("the hidden states have the shape B T D");
    if (new_keys->size_bytes() != keys.size_bytes() ||
        new_values->size_bytes() != values.size_bytes())
      return wrong("the new cache has the shape of the old");
    const mt::CacheRow cache{changed(keys, new_keys), changed(values, new_values),
                             static_cast<int>(rows), 0, static_cast<int>(keys.dimensions()[3])};
    std::vector<mt::CacheRow> caches(rows, cache);
    for (int row = 0; row < rows; ++row) caches[row].row = row;
    decoder.extend({static_cast<int>(rows), static_cast<int>(length), tokens.typed_data(),
                    counts.typed_data(), lengths.typed_data(), caches.data(),
                    hidden->typed_data()});
    return ffi::Error::Success();
  });
}

// Rows that each have a cache of their own, of any capacity: keys and values in turn.
ffi::Error extend_each(Numbers number, Numbers tokens, Numbers counts, Numbers lengths,
                       ffi::RemainingArgs old, ffi::RemainingRets fresh) {
  return guarded(number, [&](mt::Decoder& decoder) {
    const auto shape = tokens.dimensions();
    if (shape.size() != 2) return wrong("tokens have the shape B T");
    const size_t rows = shape[0];
    if (counts.element_count() != rows || lengths.element_count() != rows ||
        old.size() != 2 * rows || fresh.size() != 2 * rows)
      return wrong("counts, lengths, keys and values are one for each row");
    std::vector<mt::CacheRow> caches;
    for (size_t row = 0; row < rows; ++row) {
      const auto keys = old.get<ffi::AnyBuffer>(2 * row);
      const auto values = old.get<ffi::AnyBuffer>(2 * row + 1);
      auto new_keys = fresh.get<ffi::AnyBuffer>(2 * row);
      auto new_values = fresh.get<ffi::AnyBuffer>(2 * row + 1);
      if (!keys || !values || !new_keys || !new_values) return wrong("a cache is no buffer");
      if (const char* fault = fault_of(decoder, *keys, *values, 1)) return wrong(fault);
      if ((*new_keys)->size_bytes() != keys->size_bytes() ||
          (*new_values)->size_bytes() != values->size_bytes())
        return wrong("the new cache has the shape of the old");
      caches.push_back({changed(*keys, *new_keys), changed(*values, *new_values), 1, 0,
                        static_cast<int>(keys->dimensions()[3])});
    }
    decoder.extend({static_cast<int>(rows), static_cast<int>(shape[1]), tokens.typed_data(),
                    counts.typed_data(), lengths.typed_data(), caches.data(), nullptr});
    return ffi::Error::Success();
  });
}

ffi::Error logits(Numbers number, FloatsIn hidden, FloatsOut out) {
  return guarded(number, [&](mt::Decoder& decoder) {
    const auto shape = hidden.dimensions();
    const mt::Spec& spec = decoder.spec();
    if (shape.size() != 2 || shape[1] != spec.width) return wrong("hidden states are B D");
    if (out->element_count() != static_cast<size_t>(shape[0]) * spec.vocab_size)
      return wrong("logits have the shape B V");
    decoder.logits(hidden.typed_data(), static_cast<int>(shape[0]), out->typed_data());
    return ffi::Error::Success();
  });
}

// As `logits`; the caller says by input_output_aliases that they may be written over `room`.
ffi::Error logits_into(Numbers number, FloatsIn hidden, FloatsIn room, FloatsOut out) {
  if (room.element_count() != out->element_count()) return wrong("there is room for B V");
  return logits(number, hidden, out);
}

ffi::Error rank(Numbers number, FloatsIn logits, FloatsIn scales, Numbers wanted, Numbers scored,
                FloatsOut values, ffi::ResultBuffer<ffi::DataType::S32> ids, FloatsOut totals,
                FloatsOut plain_totals) {
  return guarded(number, [&](mt::Decoder& decoder) {
    const auto shape = logits.dimensions();
    const auto found = values->dimensions();
    if (shape.size() != 2 || shape[1] < 1) return wrong("logits have the shape B V");
    if (found.size() != 2 || found[0] != shape[0] || found[1] < 1 || found[1] > shape[1] ||
        ids->element_count() != values->element_count())
      return wrong("candidates have the shape B C, C at most V");
    const size_t rows = shape[0];
    if (scales.element_count() != rows || wanted.element_count() != rows ||
        scored.element_count() != rows || totals->element_count() != rows ||
        plain_totals->element_count() != rows)
      return wrong("what is wanted of the logits is one number for each row");
    decoder.rank({static_cast<int>(rows), static_cast<int>(shape[1]), static_cast<int>(found[1]),
                  logits.typed_data(), scales.typed_data(), wanted.typed_data(),
                  scored.typed_data(), values->typed_data(), ids->typed_data(),
                  totals->typed_data(), plain_totals->typed_data()});
    return ffi::Error::Success();
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_extend, extend,
                              ffi::Ffi::Bind()
                                  .Arg<Numbers>()
                                  .Arg<Numbers>()
                                  .Arg<Numbers>()
                                  .Arg<Numbers>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::Buffer<ffi::DataType::F32>>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_extend_each, extend_each,
                              ffi::Ffi::Bind()
                                  .Arg<Numbers>()
                                  .Arg<Numbers>()
                                  .Arg<Numbers>()
                                  .Arg<Numbers>()
                                  .RemainingArgs()
                                  .RemainingRets());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    mt_logits, logits,
    ffi::Ffi::Bind().Arg<Numbers>().Arg<FloatsIn>().Ret<ffi::Buffer<ffi::DataType::F32>>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_logits_into, logits_into,
                              ffi::Ffi::Bind()
                                  .Arg<Numbers>()
                                  .Arg<FloatsIn>()
                                  .Arg<FloatsIn>()
                                  .Ret<ffi::Buffer<ffi::DataType::F32>>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_rank, rank,
                              ffi::Ffi::Bind()
                                  .Arg<Numbers>()
                                  .Arg<FloatsIn>()
                                  .Arg<FloatsIn>()
                                  .Arg<Numbers>()
                                  .Arg<Numbers>()
                                  .Ret<ffi::Buffer<ffi::DataType::F32>>()
                                  .Ret<ffi::Buffer<ffi::DataType::S32>>()
                                  .Ret<ffi::Buffer<ffi::DataType::F32>>()
                                  .Ret<ffi::Buffer<ffi::DataType::F32>>());
