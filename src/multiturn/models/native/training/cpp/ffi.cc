// The custom calls of XLA. What comes in is checked here, since inside a compiled program
// Python no longer can.
#include <exception>

#include "attention.h"
#include "product.h"

namespace ffi = xla::ffi;

namespace {

using Numbers = ffi::Buffer<ffi::DataType::S32>;
using Floats32 = ffi::Buffer<ffi::DataType::F32>;
using Floats32Out = ffi::ResultBuffer<ffi::DataType::F32>;
using Any = ffi::AnyBuffer;
using AnyOut = ffi::Result<ffi::AnyBuffer>;

ffi::Error wrong(const char* what) { return ffi::Error::InvalidArgument(what); }

template <class Work>
ffi::Error guarded(Work&& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

bool same_shape(const Any& a, const Any& b) {
  const auto left = a.dimensions(), right = b.dimensions();
  return a.element_type() == b.element_type() &&
         std::equal(left.begin(), left.end(), right.begin(), right.end());
}

ffi::Error multiply(ffi::ThreadPool pool, Any a, Any b, AnyOut out, bool a_turned, bool b_turned) {
  const auto left = a.dimensions(), right = b.dimensions(), made = out->dimensions();
  if (left.size() != 2 || right.size() != 2 || made.size() != 2)
    return wrong("a product is of two matrices");
  const size_t rows = left[a_turned], inputs = left[!a_turned], columns = right[!b_turned];
  if (static_cast<size_t>(right[b_turned]) != inputs || static_cast<size_t>(made[0]) != rows ||
      static_cast<size_t>(made[1]) != columns)
    return wrong("the matrices of a product do not fit");
  if (rows == 0 || columns == 0 || inputs == 0) return wrong("a matrix of a product is empty");
  if (a.element_type() != b.element_type()) return wrong("a product is of one type");
  const mt::Operand from{a.untyped_data(), a_turned ? 1 : inputs, a_turned ? rows : 1};
  const mt::Operand with{b.untyped_data(), b_turned ? inputs : 1, b_turned ? 1 : columns};
  const auto run = [&](auto kind, auto* to) {
    return guarded([&] {
      mt::product<decltype(kind)>(pool, rows, columns, inputs, from, with, to);
      return ffi::Error::Success();
    });
  };
  const auto into = [&](auto kind) {
    switch (out->element_type()) {
      case ffi::DataType::F32: return run(kind, static_cast<float*>(out->untyped_data()));
      case ffi::DataType::BF16: return run(kind, static_cast<mt::Bfloat16*>(out->untyped_data()));
      default: return wrong("a product is float32 or bfloat16");
    }
  };
  switch (a.element_type()) {
    case ffi::DataType::F32: return into(float{});
    case ffi::DataType::BF16: return into(mt::Bfloat16{});
    default: return wrong("a product is of float32 or bfloat16 numbers");
  }
}

// The shape that queries B T N H and keys B T K H have together; no rows where they do not fit.
mt::AttentionShape shape_of(const Any& query, const Any& key, const Any& value,
                            const Numbers& documents) {
  const auto q = query.dimensions(), k = key.dimensions();
  mt::AttentionShape none{};
  if (q.size() != 4 || k.size() != 4 || !same_shape(key, value)) return none;
  if (query.element_type() != key.element_type()) return none;
  if (q[0] != k[0] || q[1] != k[1] || q[3] != k[3] || k[2] < 1 || q[2] % k[2] != 0) return none;
  if (documents.element_count() != 0 && documents.element_count() != static_cast<size_t>(q[0] * q[1]))
    return none;
  const auto whole = [](int64_t x) { return static_cast<int>(x); };
  return {whole(q[0]), whole(q[1]), whole(q[2]), whole(k[2]), whole(q[3])};
}

template <class Work>
ffi::Error by_type(const Any& array, Work&& work) {
  switch (array.element_type()) {
    case ffi::DataType::F32: return guarded([&] { return work(float{}); });
    case ffi::DataType::BF16: return guarded([&] { return work(mt::Bfloat16{}); });
    default: return wrong("attention is of float32 or bfloat16 numbers");
  }
}

const int32_t* given(const Numbers& documents) {
  return documents.element_count() == 0 ? nullptr : documents.typed_data();
}

ffi::Error attend(ffi::ThreadPool pool, Any query, Any key, Any value, Numbers documents,
                  AnyOut out, Floats32Out normalizer) {
  const mt::AttentionShape shape = shape_of(query, key, value, documents);
  if (shape.rows == 0 || !same_shape(query, *out) ||
      normalizer->element_count() != static_cast<size_t>(shape.rows) * shape.heads * shape.length)
    return wrong("the arrays of attention do not fit");
  return by_type(query, [&](auto kind) {
    using T = decltype(kind);
    mt::attention<T>(pool, shape, static_cast<const T*>(query.untyped_data()),
                     static_cast<const T*>(key.untyped_data()),
                     static_cast<const T*>(value.untyped_data()), given(documents),
                     static_cast<T*>(out->untyped_data()), normalizer->typed_data());
    return ffi::Error::Success();
  });
}

ffi::Error attend_gradient(ffi::ThreadPool pool, Any query, Any key, Any value, Numbers documents,
                           Any out, Floats32 normalizer, Any d_out, AnyOut d_query, AnyOut d_key,
                           AnyOut d_value) {
  const mt::AttentionShape shape = shape_of(query, key, value, documents);
  if (shape.rows == 0 || !same_shape(query, out) || !same_shape(query, d_out) ||
      !same_shape(query, *d_query) || !same_shape(key, *d_key) || !same_shape(value, *d_value) ||
      normalizer.element_count() != static_cast<size_t>(shape.rows) * shape.heads * shape.length)
    return wrong("the arrays of attention do not fit");
  return by_type(query, [&](auto kind) {
    using T = decltype(kind);
    const auto in = [](const Any& array) { return static_cast<const T*>(array.untyped_data()); };
    const auto to = [](AnyOut& array) { return static_cast<T*>(array->untyped_data()); };
    mt::attention_gradient<T>(pool, shape, in(query), in(key), in(value), given(documents), in(out),
                              normalizer.typed_data(), in(d_out), to(d_query), to(d_key),
                              to(d_value));
    return ffi::Error::Success();
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_product, multiply,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Any>()
                                  .Arg<Any>()
                                  .Ret<Any>()
                                  .Attr<bool>("a_turned")
                                  .Attr<bool>("b_turned"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_attention, attend,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Any>()
                                  .Arg<Any>()
                                  .Arg<Any>()
                                  .Arg<Numbers>()
                                  .Ret<Any>()
                                  .Ret<ffi::Buffer<ffi::DataType::F32>>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(mt_attention_gradient, attend_gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Any>()
                                  .Arg<Any>()
                                  .Arg<Any>()
                                  .Arg<Numbers>()
                                  .Arg<Any>()
                                  .Arg<Floats32>()
                                  .Arg<Any>()
                                  .Ret<Any>()
                                  .Ret<Any>()
                                  .Ret<Any>());
