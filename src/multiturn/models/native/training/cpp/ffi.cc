// The custom calls of XLA. Every argument is checked here, because inside a compiled program Python
// no longer can.
#include <exception>

#include "activations.h"
#include "attention.h"
#include "cross_entropy.h"
#include "matmul.h"
#include "norm.h"
#include "rope.h"
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

template <class T>
const T* input(const AnyBuffer& array) {
  return static_cast<const T*>(array.untyped_data());
}

template <class T>
T* output(AnyResult& array) {
  return static_cast<T*>(array->untyped_data());
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
    mt::attention<T>(pool, shape, input<T>(query), input<T>(key), input<T>(value),
                     or_null(documents), output<T>(out), logsumexp->typed_data());
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
    mt::attention_gradient<T>(pool, shape, input<T>(query), input<T>(key), input<T>(value),
                              or_null(documents), input<T>(out), logsumexp.typed_data(),
                              input<T>(d_out), output<T>(d_query), output<T>(d_key),
                              output<T>(d_value));
    return ffi::Error::Success();
  });
}

// An array of any shape as a matrix, whose columns are its last axis.
struct Rows {
  int rows = 0, width = 0;
};

Rows rows_of(const AnyBuffer& array) {
  const auto shape = array.dimensions();
  if (shape.size() == 0 || array.element_count() == 0) return {};
  const auto width = static_cast<int>(shape[shape.size() - 1]);
  return {static_cast<int>(array.element_count() / width), width};
}

// Whether a vector has `count` numbers, or none, if it may.
bool has_count(const FloatBuffer& vector, int count, bool may_be_empty) {
  const size_t found = vector.element_count();
  return found == static_cast<size_t>(count) || (may_be_empty && found == 0);
}

const float* or_null(const FloatBuffer& vector) {
  return vector.element_count() == 0 ? nullptr : vector.typed_data();
}

float* or_null(FloatResult& vector) {
  return vector->element_count() == 0 ? nullptr : vector->typed_data();
}

ffi::Error gelu(ffi::ThreadPool pool, AnyBuffer x, FloatBuffer bias, AnyResult y) {
  const Rows size = rows_of(x);
  if (size.rows == 0 || !same_shape_and_type(x, *y) || !has_count(bias, size.width, true))
    return invalid("the shapes of gelu do not match");
  return with_type(x, [&](auto element) {
    using T = decltype(element);
    mt::gelu<T>(pool, size.rows, size.width, input<T>(x), or_null(bias), output<T>(y));
    return ffi::Error::Success();
  });
}

ffi::Error gelu_gradient(ffi::ThreadPool pool, AnyBuffer x, FloatBuffer bias, AnyBuffer d_y,
                         AnyResult d_x, FloatResult d_bias) {
  const Rows size = rows_of(x);
  if (size.rows == 0 || !same_shape_and_type(x, d_y) || !same_shape_and_type(x, *d_x) ||
      !has_count(bias, size.width, true) || !has_count(*d_bias, size.width, true))
    return invalid("the shapes of gelu do not match");
  return with_type(x, [&](auto element) {
    using T = decltype(element);
    mt::gelu_gradient<T>(pool, size.rows, size.width, input<T>(x), or_null(bias), input<T>(d_y),
                         output<T>(d_x), or_null(d_bias));
    return ffi::Error::Success();
  });
}

ffi::Error silu_product(ffi::ThreadPool pool, AnyBuffer gate, AnyBuffer up, AnyResult y) {
  const Rows size = rows_of(gate);
  if (size.rows == 0 || !same_shape_and_type(gate, up) || !same_shape_and_type(gate, *y))
    return invalid("the shapes of silu_product do not match");
  return with_type(gate, [&](auto element) {
    using T = decltype(element);
    mt::silu_product<T>(pool, size.rows, size.width, input<T>(gate), input<T>(up), output<T>(y));
    return ffi::Error::Success();
  });
}

ffi::Error silu_product_gradient(ffi::ThreadPool pool, AnyBuffer gate, AnyBuffer up, AnyBuffer d_y,
                                 AnyResult d_gate, AnyResult d_up) {
  const Rows size = rows_of(gate);
  if (size.rows == 0 || !same_shape_and_type(gate, up) || !same_shape_and_type(gate, d_y) ||
      !same_shape_and_type(gate, *d_gate) || !same_shape_and_type(gate, *d_up))
    return invalid("the shapes of silu_product do not match");
  return with_type(gate, [&](auto element) {
    using T = decltype(element);
    mt::silu_product_gradient<T>(pool, size.rows, size.width, input<T>(gate), input<T>(up),
                                 input<T>(d_y), output<T>(d_gate), output<T>(d_up));
    return ffi::Error::Success();
  });
}

ffi::Error norm(ffi::ThreadPool pool, AnyBuffer x, FloatBuffer scale, FloatBuffer bias, AnyResult y,
                FloatResult means, FloatResult inverses, bool center, float epsilon) {
  const Rows size = rows_of(x);
  if (size.rows == 0 || !same_shape_and_type(x, *y) || !has_count(scale, size.width, false) ||
      !has_count(bias, size.width, true) || !has_count(*means, size.rows, false) ||
      !has_count(*inverses, size.rows, false))
    return invalid("the shapes of norm do not match");
  return with_type(x, [&](auto element) {
    using T = decltype(element);
    mt::norm<T>(pool, size.rows, size.width, {center, epsilon}, input<T>(x), scale.typed_data(),
                or_null(bias), output<T>(y), means->typed_data(), inverses->typed_data());
    return ffi::Error::Success();
  });
}

ffi::Error norm_gradient(ffi::ThreadPool pool, AnyBuffer x, FloatBuffer scale, FloatBuffer means,
                         FloatBuffer inverses, AnyBuffer d_y, AnyResult d_x, FloatResult d_scale,
                         FloatResult d_bias, bool center) {
  const Rows size = rows_of(x);
  if (size.rows == 0 || !same_shape_and_type(x, d_y) || !same_shape_and_type(x, *d_x) ||
      !has_count(scale, size.width, false) || !has_count(means, size.rows, false) ||
      !has_count(inverses, size.rows, false) || !has_count(*d_scale, size.width, false) ||
      !has_count(*d_bias, size.width, true))
    return invalid("the shapes of norm do not match");
  return with_type(x, [&](auto element) {
    using T = decltype(element);
    mt::norm_gradient<T>(pool, size.rows, size.width, center, input<T>(x), scale.typed_data(),
                         means.typed_data(), inverses.typed_data(), input<T>(d_y), output<T>(d_x),
                         d_scale->typed_data(), or_null(d_bias));
    return ffi::Error::Success();
  });
}

ffi::Error rope(ffi::ThreadPool pool, AnyBuffer x, FloatBuffer cosines, FloatBuffer sines,
                AnyResult y, bool interleaved, bool backwards) {
  const auto shape = x.dimensions(), table = cosines.dimensions();
  if (shape.size() != 4 || x.element_count() == 0 || !same_shape_and_type(x, *y) ||
      table.size() != 2 || table[0] != shape[1] || 2 * table[1] > shape[3] ||
      !has_count(sines, static_cast<int>(cosines.element_count()), false))
    return invalid("the shapes of rope do not match");
  const mt::RopeShape sizes{static_cast<int>(shape[0]),     static_cast<int>(shape[1]),
                            static_cast<int>(shape[2]),     static_cast<int>(shape[3]),
                            static_cast<int>(2 * table[1]), interleaved};
  return with_type(x, [&](auto element) {
    using T = decltype(element);
    mt::rope<T>(pool, sizes, backwards ? -1.0f : 1.0f, input<T>(x), cosines.typed_data(),
                sines.typed_data(), output<T>(y));
    return ffi::Error::Success();
  });
}

ffi::Error cross_entropy(ffi::ThreadPool pool, FloatBuffer logits, FloatBuffer bias,
                         IntBuffer targets, FloatBuffer weights, FloatResult entropies,
                         FloatResult log_z, AnyResult d_logits, FloatResult d_bias, float z_loss) {
  const auto shape = logits.dimensions(), gradient = d_logits->dimensions();
  if (shape.size() != 2 || logits.element_count() == 0 ||
      !std::equal(shape.begin(), shape.end(), gradient.begin(), gradient.end()))
    return invalid("cross_entropy takes a matrix of logits");
  const int rows = static_cast<int>(shape[0]), vocab = static_cast<int>(shape[1]);
  if (!has_count(bias, vocab, true) || targets.element_count() != static_cast<size_t>(rows) ||
      !has_count(weights, rows, false) || !has_count(*entropies, rows, false) ||
      !has_count(*log_z, rows, false) || !has_count(*d_bias, vocab, true))
    return invalid("the shapes of cross_entropy do not match");
  return with_type(*d_logits, [&](auto element) {
    using T = decltype(element);
    mt::cross_entropy<T>(pool, rows, vocab, logits.typed_data(), or_null(bias),
                         targets.typed_data(), weights.typed_data(), z_loss,
                         entropies->typed_data(), log_z->typed_data(), output<T>(d_logits),
                         or_null(d_bias));
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

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    mt_gelu, gelu,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<AnyBuffer>().Arg<FloatBuffer>().Ret<AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_gelu_gradient, gelu_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<AnyBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Ret<FloatBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    mt_silu_product, silu_product,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<AnyBuffer>().Arg<AnyBuffer>().Ret<AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_silu_product_gradient, silu_product_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Ret<AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_norm, norm,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<AnyBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Attr<bool>("center")
                                  .Attr<float>("epsilon"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_norm_gradient, norm_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<AnyBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Attr<bool>("center"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_rope, rope,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<AnyBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Attr<bool>("interleaved")
                                  .Attr<bool>("backwards"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_cross_entropy, cross_entropy,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<FloatBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Arg<IntBuffer>()
                                  .Arg<FloatBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Ret<AnyBuffer>()
                                  .Ret<FloatBuffer>()
                                  .Attr<float>("z_loss"));
