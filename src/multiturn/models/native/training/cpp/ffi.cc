// The custom calls of XLA. Every argument is checked here, because inside a compiled program Python
// no longer can.
#include <exception>

#include "attention.h"
#include "matmul.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

using IntBuffer = ffi::Buffer<ffi::DataType::S32>;
using FloatBuffer = ffi::Buffer<ffi::DataType::F32>;
using FloatResult = ffi::ResultBuffer<ffi::DataType::F32>;
using ffi::AnyBuffer;
using AnyResult = ffi::Result<ffi::AnyBuffer>;

ffi::Error invalid(const char* message) { return ffi::Error::InvalidArgument(message); }

// Calls work(T{}) with the type of the elements, and turns exceptions into errors.
template <class Work>
ffi::Error with_type(const AnyBuffer& array, Work&& work) {
  try {
    switch (array.element_type()) {
      case ffi::DataType::F32: return work(float{});
      case ffi::DataType::BF16: return work(mt::Bfloat16{});
      default: return invalid("the kernels compute with float32 or bfloat16");
    }
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

bool same_shape_and_type(const AnyBuffer& a, const AnyBuffer& b) {
  const auto left = a.dimensions(), right = b.dimensions();
  return a.element_type() == b.element_type() &&
         std::equal(left.begin(), left.end(), right.begin(), right.end());
}

ffi::Error matmul(ffi::ThreadPool pool, AnyBuffer a, AnyBuffer b, AnyResult out, bool transpose_a,
                  bool transpose_b) {
  const auto left = a.dimensions(), right = b.dimensions(), result = out->dimensions();
  if (left.size() != 2 || right.size() != 2 || result.size() != 2)
    return invalid("matmul takes two matrices");
  const size_t rows = left[transpose_a], inputs = left[!transpose_a], columns = right[!transpose_b];
  if (static_cast<size_t>(right[transpose_b]) != inputs || static_cast<size_t>(result[0]) != rows ||
      static_cast<size_t>(result[1]) != columns)
    return invalid("the shapes of matmul do not match");
  if (rows == 0 || columns == 0 || inputs == 0) return invalid("a matrix of matmul is empty");
  if (a.element_type() != b.element_type()) return invalid("matmul takes matrices of one type");
  const mt::Operand left_operand{a.untyped_data(), transpose_a ? 1 : inputs,
                                 transpose_a ? rows : 1};
  const mt::Operand right_operand{b.untyped_data(), transpose_b ? inputs : 1,
                                  transpose_b ? 1 : columns};
  return with_type(a, [&](auto input) {
    return with_type(*out, [&](auto output) {
      mt::matmul<decltype(input)>(pool, static_cast<int>(rows), static_cast<int>(columns),
                                  static_cast<int>(inputs), left_operand, right_operand,
                                  static_cast<decltype(output)*>(out->untyped_data()));
      return ffi::Error::Success();
    });
  });
}

// The common shape of queries B T N H and keys B T K H; no rows if they do not match.
mt::AttentionShape shape_of(const AnyBuffer& query, const AnyBuffer& key, const AnyBuffer& value,
                            const IntBuffer& documents) {
  const auto q = query.dimensions(), k = key.dimensions();
  const mt::AttentionShape mismatch{};
  if (q.size() != 4 || k.size() != 4 || !same_shape_and_type(key, value)) return mismatch;
  if (query.element_type() != key.element_type()) return mismatch;
  if (q[0] != k[0] || q[1] != k[1] || q[3] != k[3] || k[2] < 1 || q[2] % k[2] != 0) return mismatch;
  if (documents.element_count() != 0 &&
      documents.element_count() != static_cast<size_t>(q[0] * q[1]))
    return mismatch;
  return {static_cast<int>(q[0]), static_cast<int>(q[1]), static_cast<int>(q[2]),
          static_cast<int>(k[2]), static_cast<int>(q[3])};
}

size_t queries_in(const mt::AttentionShape& shape) {
  return static_cast<size_t>(shape.rows) * shape.heads * shape.length;
}

const int32_t* or_null(const IntBuffer& documents) {
  return documents.element_count() == 0 ? nullptr : documents.typed_data();
}

ffi::Error attention(ffi::ThreadPool pool, AnyBuffer query, AnyBuffer key, AnyBuffer value,
                     IntBuffer documents, AnyResult out, FloatResult logsumexp) {
  const mt::AttentionShape shape = shape_of(query, key, value, documents);
  if (shape.rows == 0 || !same_shape_and_type(query, *out) ||
      logsumexp->element_count() != queries_in(shape))
    return invalid("the shapes of attention do not match");
  return with_type(query, [&](auto element) {
    using T = decltype(element);
    mt::attention<T>(pool, shape, static_cast<const T*>(query.untyped_data()),
                     static_cast<const T*>(key.untyped_data()),
                     static_cast<const T*>(value.untyped_data()), or_null(documents),
                     static_cast<T*>(out->untyped_data()), logsumexp->typed_data());
    return ffi::Error::Success();
  });
}

ffi::Error attention_gradient(ffi::ThreadPool pool, AnyBuffer query, AnyBuffer key, AnyBuffer value,
                              IntBuffer documents, AnyBuffer out, FloatBuffer logsumexp,
                              AnyBuffer d_out, AnyResult d_query, AnyResult d_key,
                              AnyResult d_value) {
  const mt::AttentionShape shape = shape_of(query, key, value, documents);
  if (shape.rows == 0 || !same_shape_and_type(query, out) || !same_shape_and_type(query, d_out) ||
      !same_shape_and_type(query, *d_query) || !same_shape_and_type(key, *d_key) ||
      !same_shape_and_type(value, *d_value) || logsumexp.element_count() != queries_in(shape))
    return invalid("the shapes of attention do not match");
  return with_type(query, [&](auto element) {
    using T = decltype(element);
    const auto input = [](const AnyBuffer& x) { return static_cast<const T*>(x.untyped_data()); };
    const auto result = [](AnyResult& x) { return static_cast<T*>(x->untyped_data()); };
    mt::attention_gradient<T>(pool, shape, input(query), input(key), input(value),
                              or_null(documents), input(out), logsumexp.typed_data(), input(d_out),
                              result(d_query), result(d_key), result(d_value));
    return ffi::Error::Success();
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_matmul, matmul,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Attr<bool>("transpose_a")
                                  .Attr<bool>("transpose_b"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_attention, attention,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<IntBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Ret<FloatBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_attention_gradient, attention_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<IntBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Ret<AnyBuffer>());
