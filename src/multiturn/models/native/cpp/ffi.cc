// The decoder as three custom calls of XLA.
//
// The cache is changed in place: the caller says by input_output_aliases that each result is
// its argument. Everything that comes in is checked here, since inside a compiled program
// Python no longer can.
#include <exception>

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

ffi::Error extend(Numbers number, Numbers tokens, Numbers counts, Numbers lengths,
                  ffi::AnyBuffer keys, ffi::AnyBuffer values, FloatsOut hidden,
                  ffi::Result<ffi::AnyBuffer> new_keys, ffi::Result<ffi::AnyBuffer> new_values) {
  return guarded(number, [&](mt::Decoder& decoder) {
    const mt::Spec& spec = decoder.spec();
    const auto shape = tokens.dimensions();
    if (shape.size() != 2) return wrong("tokens have the shape B T");
    const int64_t rows = shape[0], length = shape[1];
    const auto cache = keys.dimensions();
    if (cache.size() != 5 || cache[0] != spec.layers || cache[1] != rows ||
        cache[2] != spec.kv_heads || cache[4] != decoder.padded_head())
      return wrong("the cache is not of this decoder");
    const auto type = decoder.half_cache() ? ffi::DataType::BF16 : ffi::DataType::F32;
    if (keys.element_type() != type || values.element_type() != type)
      return wrong("the cache is of another precision than the decoder");
    const auto same = values.dimensions();
    if (!std::equal(cache.begin(), cache.end(), same.begin(), same.end()))
      return wrong("keys and values differ in shape");
    if (counts.element_count() != static_cast<size_t>(rows) ||
        lengths.element_count() != static_cast<size_t>(rows))
      return wrong("counts and lengths are one number for each row");
    if (hidden->element_count() != static_cast<size_t>(rows * length * spec.width))
      return wrong("the hidden states have the shape B T D");
    if (new_keys->size_bytes() != keys.size_bytes() ||
        new_values->size_bytes() != values.size_bytes())
      return wrong("the new cache has the shape of the old");
    // XLA may have put a copy there instead.
    if (new_keys->untyped_data() != keys.untyped_data())
      std::memcpy(new_keys->untyped_data(), keys.untyped_data(), keys.size_bytes());
    if (new_values->untyped_data() != values.untyped_data())
      std::memcpy(new_values->untyped_data(), values.untyped_data(), values.size_bytes());
    decoder.extend({static_cast<int>(rows), static_cast<int>(length), tokens.typed_data(),
                    counts.typed_data(), lengths.typed_data(), new_keys->untyped_data(),
                    new_values->untyped_data(), static_cast<int>(cache[3]),
                    hidden->typed_data()});
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

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    mt_logits, logits,
    ffi::Ffi::Bind().Arg<Numbers>().Arg<FloatsIn>().Ret<ffi::Buffer<ffi::DataType::F32>>());

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
