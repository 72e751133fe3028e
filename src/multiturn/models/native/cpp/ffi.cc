// The decoder as custom calls of XLA.
//
// The caches are changed in place: the caller declares each new cache as an alias of the old one
// with input_output_aliases. Every argument is checked here, because inside a compiled program
// Python no longer can.
#include <exception>
#include <vector>

#include "registry.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

using IntBuffer = ffi::Buffer<ffi::DataType::S32>;
using FloatBuffer = ffi::Buffer<ffi::DataType::F32>;
using IntResult = ffi::ResultBuffer<ffi::DataType::S32>;
using FloatResult = ffi::ResultBuffer<ffi::DataType::F32>;

ffi::Error invalid(const char* message) { return ffi::Error::InvalidArgument(message); }

// Calls work(decoder), and turns exceptions into errors.
template <class Work>
ffi::Error with_decoder(const IntBuffer& handle, Work&& work) {
  if (handle.element_count() != 1) return invalid("the decoder's handle is one number");
  const auto decoder = mt::registry().find(handle.typed_data()[0]);
  if (!decoder) return invalid("the decoder was closed");
  try {
    return work(*decoder);
  } catch (const std::invalid_argument& error) {
    return ffi::Error::InvalidArgument(error.what());
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

// What is wrong with a cache of `rows` sequences; null if it fits the decoder.
const char* cache_error(const mt::DecoderConfig& config, const ffi::AnyBuffer& keys,
                        const ffi::AnyBuffer& values, int64_t rows) {
  const auto shape = keys.dimensions();
  if (shape.size() != 5 || shape[0] != config.layers || shape[1] != rows ||
      shape[2] != config.kv_heads || shape[4] != config.padded_head())
    return "the cache was made for another decoder";
  const auto type = config.bfloat16_cache() ? ffi::DataType::BF16 : ffi::DataType::F32;
  if (keys.element_type() != type || values.element_type() != type)
    return "the cache has another precision than the decoder";
  const auto other = values.dimensions();
  if (!std::equal(shape.begin(), shape.end(), other.begin(), other.end()))
    return "the keys and values of the cache differ in shape";
  return nullptr;
}

// The memory of a result that should be the argument's. If XLA did not alias them, the argument is
// copied into it.
void* aliased(const ffi::AnyBuffer& argument, ffi::Result<ffi::AnyBuffer> result) {
  if (result->untyped_data() != argument.untyped_data())
    std::memcpy(result->untyped_data(), argument.untyped_data(), argument.size_bytes());
  return result->untyped_data();
}

ffi::Error forward_with_cache(IntBuffer handle, IntBuffer tokens, IntBuffer counts,
                              IntBuffer lengths, ffi::AnyBuffer keys, ffi::AnyBuffer values,
                              FloatResult hidden, ffi::Result<ffi::AnyBuffer> new_keys,
                              ffi::Result<ffi::AnyBuffer> new_values) {
  return with_decoder(handle, [&](mt::Decoder& decoder) {
    const auto shape = tokens.dimensions();
    if (shape.size() != 2) return invalid("tokens must have the shape B T");
    const int64_t rows = shape[0], length = shape[1];
    if (const char* error = cache_error(decoder.config(), keys, values, rows))
      return invalid(error);
    if (counts.element_count() != static_cast<size_t>(rows) ||
        lengths.element_count() != static_cast<size_t>(rows))
      return invalid("counts and lengths must have one number for each row");
    if (hidden->element_count() != static_cast<size_t>(rows * length * decoder.config().d_model))
      return invalid("the hidden states must have the shape B T D");
    if (new_keys->size_bytes() != keys.size_bytes() ||
        new_values->size_bytes() != values.size_bytes())
      return invalid("the new cache must have the shape of the old one");
    mt::CacheRow cache{aliased(keys, new_keys), aliased(values, new_values), static_cast<int>(rows),
                       0, static_cast<int>(keys.dimensions()[3])};
    std::vector<mt::CacheRow> caches(rows, cache);
    for (int row = 0; row < rows; ++row) caches[row].row = row;
    decoder.forward({static_cast<int>(rows), static_cast<int>(length), tokens.typed_data(),
                     counts.typed_data(), lengths.typed_data(), caches.data(),
                     hidden->typed_data()});
    return ffi::Error::Success();
  });
}

// As above, without hidden states, for rows that have a cache each, of any capacity. The remaining
// arguments are the keys and values of each row in turn.
ffi::Error prefill_each(IntBuffer handle, IntBuffer tokens, IntBuffer counts, IntBuffer lengths,
                        ffi::RemainingArgs old_caches, ffi::RemainingRets new_caches) {
  return with_decoder(handle, [&](mt::Decoder& decoder) {
    const auto shape = tokens.dimensions();
    if (shape.size() != 2) return invalid("tokens must have the shape B T");
    const size_t rows = shape[0];
    if (counts.element_count() != rows || lengths.element_count() != rows ||
        old_caches.size() != 2 * rows || new_caches.size() != 2 * rows)
      return invalid("there must be one count, length, and pair of keys and values for each row");
    std::vector<mt::CacheRow> caches;
    for (size_t row = 0; row < rows; ++row) {
      const auto keys = old_caches.get<ffi::AnyBuffer>(2 * row);
      const auto values = old_caches.get<ffi::AnyBuffer>(2 * row + 1);
      auto new_keys = new_caches.get<ffi::AnyBuffer>(2 * row);
      auto new_values = new_caches.get<ffi::AnyBuffer>(2 * row + 1);
      if (!keys || !values || !new_keys || !new_values) return invalid("a cache is not a buffer");
      if (const char* error = cache_error(decoder.config(), *keys, *values, 1))
        return invalid(error);
      if ((*new_keys)->size_bytes() != keys->size_bytes() ||
          (*new_values)->size_bytes() != values->size_bytes())
        return invalid("a new cache must have the shape of the old one");
      caches.push_back({aliased(*keys, *new_keys), aliased(*values, *new_values), 1, 0,
                        static_cast<int>(keys->dimensions()[3])});
    }
    decoder.forward({static_cast<int>(rows), static_cast<int>(shape[1]), tokens.typed_data(),
                     counts.typed_data(), lengths.typed_data(), caches.data(), nullptr});
    return ffi::Error::Success();
  });
}

ffi::Error unembed(IntBuffer handle, FloatBuffer hidden, FloatResult logits) {
  return with_decoder(handle, [&](mt::Decoder& decoder) {
    const auto shape = hidden.dimensions();
    const mt::DecoderConfig& config = decoder.config();
    if (shape.size() != 2 || shape[1] != config.d_model)
      return invalid("the hidden states must have the shape B D");
    if (logits->element_count() != static_cast<size_t>(shape[0]) * config.vocab_size)
      return invalid("the logits must have the shape B V");
    decoder.unembed(hidden.typed_data(), static_cast<int>(shape[0]), logits->typed_data());
    return ffi::Error::Success();
  });
}

// As above; the caller declares the logits as an alias of `workspace`.
ffi::Error unembed_into(IntBuffer handle, FloatBuffer hidden, FloatBuffer workspace,
                        FloatResult logits) {
  if (workspace.element_count() != logits->element_count())
    return invalid("the workspace must have the shape B V");
  return unembed(handle, hidden, logits);
}

ffi::Error top_candidates(IntBuffer handle, FloatBuffer logits, FloatBuffer scales,
                          IntBuffer want_candidates, IntBuffer want_logprobs, FloatResult values,
                          IntResult ids, FloatResult scaled_logsumexp, FloatResult logsumexp) {
  return with_decoder(handle, [&](mt::Decoder& decoder) {
    const auto shape = logits.dimensions();
    const auto found = values->dimensions();
    if (shape.size() != 2 || shape[1] < 1) return invalid("the logits must have the shape B V");
    if (found.size() != 2 || found[0] != shape[0] || found[1] < 1 || found[1] > shape[1] ||
        ids->element_count() != values->element_count())
      return invalid("the candidates must have the shape B C, with C at most V");
    const size_t rows = shape[0];
    if (scales.element_count() != rows || want_candidates.element_count() != rows ||
        want_logprobs.element_count() != rows || scaled_logsumexp->element_count() != rows ||
        logsumexp->element_count() != rows)
      return invalid("scales, wants and sums must have one number for each row");
    decoder.find_top_candidates(
        {static_cast<int>(rows), static_cast<int>(shape[1]), static_cast<int>(found[1]),
         logits.typed_data(), scales.typed_data(), want_candidates.typed_data(),
         want_logprobs.typed_data(), values->typed_data(), ids->typed_data(),
         scaled_logsumexp->typed_data(), logsumexp->typed_data()});
    return ffi::Error::Success();
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_forward_with_cache, forward_with_cache,
                              ffi::Ffi::Bind()
                                  .Arg<IntBuffer>()
                                  .Arg<IntBuffer>()
                                  .Arg<IntBuffer>()
                                  .Arg<IntBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_prefill_each, prefill_each,
                              ffi::Ffi::Bind()
                                  .Arg<IntBuffer>()
                                  .Arg<IntBuffer>()
                                  .Arg<IntBuffer>()
                                  .Arg<IntBuffer>()
                                  .RemainingArgs()
                                  .RemainingRets());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    mt_unembed, unembed, ffi::Ffi::Bind().Arg<IntBuffer>().Arg<FloatBuffer>().Ret<FloatBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    mt_unembed_into, unembed_into,
    ffi::Ffi::Bind().Arg<IntBuffer>().Arg<FloatBuffer>().Arg<FloatBuffer>().Ret<FloatBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_top_candidates, top_candidates,
                              ffi::Ffi::Bind()
                                  .Arg<IntBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<IntBuffer>()
                                  .Arg<IntBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Ret<IntBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Ret<FloatBuffer>());
