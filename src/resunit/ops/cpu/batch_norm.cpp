// Batch norm and the activation after it in one pass over channels-last maps, for training on the CPU.
//
// x is (rows, channels), rows = N H W. Forward: z = x scale + shift, y = act(z). Nothing but x and the
// channels' statistics is kept: backward computes z again. All arithmetic is fp32, statistics are gathered
// in fp64, and the result does not depend on the number of threads.

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

enum Activation { none, relu, gelu };

constexpr int64_t lanes = 64;          // channels handled together: four AVX-512 registers of floats
constexpr int64_t rows_per_block = 256;  // summed in fp32 before fp64 takes over
constexpr int64_t worth_threads = 1 << 15;  // fewer numbers are done before other threads have woken up

struct bfloat16 {
  uint16_t bits;
};

inline float load(float value) { return value; }
inline float load(bfloat16 value) {
  uint32_t bits = uint32_t(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

inline void store(float& to, float value) { to = value; }
inline void store(bfloat16& to, float value) {  // to nearest even; a NaN stays one
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  to.bits = uint16_t((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

// exp(v) for v <= 0, within 2e-7 relative: 2^n times a polynomial in the fraction. Unlike std::exp it is
// inlined into the loops' vectors by every compiler.
inline float exp_of_negative(float v) {
  float t = std::max(v * 1.44269504f, -125.0f);
  float n = std::nearbyint(t);
  float f = t - n;
  float power = 1.0f +
      f * (0.693147182f + f * (0.240226460f + f * (0.0555041086f + f * (0.00961812911f +
      f * (0.00133335581f + f * 0.000154035304f)))));
  int32_t bits = (int32_t(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, 4);
  return power * scale;
}

// Phi(z), the normal distribution function, within 1.5e-7 (Abramowitz and Stegun 7.1.26); density is its
// derivative.
inline float normal(float z, float& density) {
  float a = std::fabs(z) * 0.70710678f;
  float t = 1.0f / (1.0f + 0.3275911f * a);
  float e = exp_of_negative(-a * a);
  float tail = 0.5f * e * t *
      (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  density = 0.39894228f * e;
  return z < 0 ? tail : 1 - tail;
}

template <Activation act>
inline float activate(float z) {
  if (act == relu) return z <= 0 ? 0 : z;  // a NaN passes
  float density;
  if (act == gelu) return z * normal(z, density);
  return z;
}

template <Activation act>
inline float slope(float z) {
  if (act == relu) return z <= 0 ? 0.0f : 1.0f;
  if (act == gelu) {
    float density;
    float phi = normal(z, density);
    return phi + z * density;
  }
  return 1;
}

// Rows are taken `fold` at a time, so that a folded row is whole groups of lanes; `rest` rows remain.
struct Shape {
  int64_t rows, channels, fold, width, folded, rest;
  Shape(int64_t rows, int64_t channels) : rows(rows), channels(channels) {
    fold = lanes / std::gcd(lanes, channels);
    width = fold * channels;
    folded = rows / fold;
    rest = rows % fold;
  }
  bool large() const { return rows * channels > worth_threads; }
  int64_t blocks() const { return (folded + rows_per_block - 1) / rows_per_block; }
  std::vector<float> widen(const std::vector<float>& values) const {
    std::vector<float> wide(width);
    for (int64_t i = 0; i < width; i++) wide[i] = values[i % channels];
    return wide;
  }
};

// Sums over rows of two terms of each element, `term(position, column, first, second)`: two sums a channel.
template <typename Term>
void column_sums(const Shape& shape, Term term, std::vector<double>& first, std::vector<double>& second) {
  int64_t blocks = shape.blocks();
  std::vector<float> partial(blocks * 2 * shape.width);
#pragma omp parallel for schedule(static) if (shape.large())
  for (int64_t block = 0; block < blocks; block++) {
    int64_t begin = block * rows_per_block;
    int64_t end = std::min(begin + rows_per_block, shape.folded);
    for (int64_t column = 0; column < shape.width; column += lanes) {
      float a[lanes] = {}, b[lanes] = {};
      for (int64_t row = begin; row < end; row++)
#pragma omp simd
        for (int64_t lane = 0; lane < lanes; lane++)
          term(row * shape.width + column + lane, column + lane, a[lane], b[lane]);
      std::copy(a, a + lanes, &partial[block * 2 * shape.width + column]);
      std::copy(b, b + lanes, &partial[(block * 2 + 1) * shape.width + column]);
    }
  }
  first.assign(shape.channels, 0);
  second.assign(shape.channels, 0);
  for (int64_t block = 0; block < blocks; block++)
    for (int64_t column = 0; column < shape.width; column += shape.channels) {
      const float* sums = &partial[block * 2 * shape.width + column];
      for (int64_t c = 0; c < shape.channels; c++) {
        first[c] += sums[c];
        second[c] += sums[shape.width + c];
      }
    }
  for (int64_t i = 0; i < shape.rest * shape.channels; i++) {
    float a = 0, b = 0;
    term(shape.folded * shape.width + i, i, a, b);
    first[i % shape.channels] += a;
    second[i % shape.channels] += b;
  }
}

// Calls `visit(position, column)` for each element. Last rows first: they are the ones that the sums before
// have left in the cache.
template <typename Visit>
void each(const Shape& shape, Visit visit) {
  int64_t blocks = shape.blocks();
#pragma omp parallel if (shape.large())
  {
    int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    int64_t begin = blocks * thread / threads * rows_per_block;
    int64_t end = std::min(blocks * (thread + 1) / threads * rows_per_block, shape.folded);
    for (int64_t row = end - 1; row >= begin; row--)
#pragma omp simd
      for (int64_t column = 0; column < shape.width; column++) visit(row * shape.width + column, column);
  }
  for (int64_t i = 0; i < shape.rest * shape.channels; i++) visit(shape.folded * shape.width + i, i);
}

template <typename T, Activation act>
void apply(const T* x, T* y, const std::vector<float>& scale, const std::vector<float>& shift, Shape shape) {
  auto wide_scale = shape.widen(scale), wide_shift = shape.widen(shift);
  const float *a = wide_scale.data(), *b = wide_shift.data();
  each(shape, [=](int64_t i, int64_t c) { store(y[i], activate<act>(load(x[i]) * a[c] + b[c])); });
}

template <typename T>
void statistics(const T* x, float* mean, float* variance, Shape shape) {
  std::vector<float> pivot(shape.channels);  // subtracted first, so that squares do not cancel
  for (int64_t c = 0; c < shape.channels; c++) pivot[c] = load(x[c]);
  auto wide = shape.widen(pivot);
  const float* p = wide.data();
  std::vector<double> sum, squares;
  column_sums(shape, [=](int64_t i, int64_t c, float& a, float& b) {
    float value = load(x[i]) - p[c];
    a += value;
    b += value * value;
  }, sum, squares);
  for (int64_t c = 0; c < shape.channels; c++) {
    double offset = sum[c] / shape.rows;
    mean[c] = float(pivot[c] + offset);
    variance[c] = float(std::max(squares[c] / shape.rows - offset * offset, 0.0));
  }
}

template <typename T, Activation act>
void gradients(const T* x, const T* dy, T* dx, const float* gamma, const float* beta, const float* mean,
               const float* variance, float eps, float* dgamma, float* dbeta, Shape shape) {
  std::vector<float> scale(shape.channels), shift(shape.channels), inverse(shape.channels);
  for (int64_t c = 0; c < shape.channels; c++) {
    inverse[c] = 1 / std::sqrt(variance[c] + eps);
    scale[c] = gamma[c] * inverse[c];
    shift[c] = beta[c] - mean[c] * scale[c];
  }
  auto wide_scale = shape.widen(scale), wide_shift = shape.widen(shift);
  auto wide_mean = shape.widen(std::vector<float>(mean, mean + shape.channels));
  const float *a = wide_scale.data(), *b = wide_shift.data(), *m = wide_mean.data();
  std::vector<double> sum, product;  // of dz, and of dz (x - mean)
  column_sums(shape, [=](int64_t i, int64_t c, float& s, float& p) {
    float value = load(x[i]);
    float dz = load(dy[i]) * slope<act>(value * a[c] + b[c]);
    s += dz;
    p += dz * (value - m[c]);
  }, sum, product);
  // dx = scale (dz - mean(dz) - xhat mean(dz xhat)) = scale dz + along x + constant
  std::vector<float> along(shape.channels), constant(shape.channels);
  for (int64_t c = 0; c < shape.channels; c++) {
    dbeta[c] = float(sum[c]);
    dgamma[c] = float(product[c] * inverse[c]);
    along[c] = -scale[c] * inverse[c] * dgamma[c] / shape.rows;
    constant[c] = -scale[c] * dbeta[c] / shape.rows - along[c] * mean[c];
  }
  auto wide_along = shape.widen(along), wide_constant = shape.widen(constant);
  const float *k = wide_along.data(), *l = wide_constant.data();
  each(shape, [=](int64_t i, int64_t c) {
    float value = load(x[i]);
    float dz = load(dy[i]) * slope<act>(value * a[c] + b[c]);
    store(dx[i], a[c] * dz + (k[c] * value + l[c]));
  });
}

// Calls `run` with the types that the flags name.
template <template <typename, Activation> class Run, typename... Arguments>
void dispatch(int is_bfloat16, int activation, Arguments... arguments) {
  if (is_bfloat16) {
    if (activation == relu) return Run<bfloat16, relu>::call(arguments...);
    if (activation == gelu) return Run<bfloat16, gelu>::call(arguments...);
    return Run<bfloat16, none>::call(arguments...);
  }
  if (activation == relu) return Run<float, relu>::call(arguments...);
  if (activation == gelu) return Run<float, gelu>::call(arguments...);
  return Run<float, none>::call(arguments...);
}

template <typename T, Activation act>
struct Normalise {
  static void call(const void* x, void* y, const float* gamma, const float* beta, const float* mean,
                   const float* variance, float eps, Shape shape) {
    std::vector<float> scale(shape.channels), shift(shape.channels);
    for (int64_t c = 0; c < shape.channels; c++) {
      scale[c] = gamma[c] / std::sqrt(variance[c] + eps);
      shift[c] = beta[c] - mean[c] * scale[c];
    }
    apply<T, act>(static_cast<const T*>(x), static_cast<T*>(y), scale, shift, shape);
  }
};

template <typename T, Activation act>
struct Backward {
  static void call(const void* x, const void* dy, void* dx, const float* gamma, const float* beta,
                   const float* mean, const float* variance, float eps, float* dgamma, float* dbeta,
                   Shape shape) {
    gradients<T, act>(static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dx), gamma, beta,
                      mean, variance, eps, dgamma, dbeta, shape);
  }
};

}  // namespace

extern "C" {

// y = act(BN(x)) by the batch's statistics, which end in mean and (biased) variance. Running statistics, where
// there are any, move towards them by momentum.
void batch_norm_forward(const void* x, void* y, const float* gamma, const float* beta, float* mean,
                        float* variance, float* running_mean, float* running_variance, float momentum,
                        float eps, int64_t rows, int64_t channels, int64_t is_bfloat16, int64_t activation) {
  Shape shape(rows, channels);
  if (is_bfloat16)
    statistics(static_cast<const bfloat16*>(x), mean, variance, shape);
  else
    statistics(static_cast<const float*>(x), mean, variance, shape);
  dispatch<Normalise>(is_bfloat16, activation, x, y, gamma, beta, mean, variance, eps, shape);
  if (running_mean) {
    float unbiased = float(rows) / float(rows - 1);
    for (int64_t c = 0; c < channels; c++) {
      running_mean[c] += momentum * (mean[c] - running_mean[c]);
      running_variance[c] += momentum * (variance[c] * unbiased - running_variance[c]);
    }
  }
}

// y = act(gamma (x - mean) / sqrt(variance + eps) + beta), for the statistics given.
void batch_norm_apply(const void* x, void* y, const float* gamma, const float* beta, const float* mean,
                      const float* variance, float eps, int64_t rows, int64_t channels, int64_t is_bfloat16,
                      int64_t activation) {
  dispatch<Normalise>(is_bfloat16, activation, x, y, gamma, beta, mean, variance, eps, Shape(rows, channels));
}

// Gradients to x, gamma and beta, through the statistics as well.
void batch_norm_backward(const void* x, const void* dy, void* dx, const float* gamma, const float* beta,
                         const float* mean, const float* variance, float eps, float* dgamma, float* dbeta,
                         int64_t rows, int64_t channels, int64_t is_bfloat16, int64_t activation) {
  dispatch<Backward>(is_bfloat16, activation, x, dy, dx, gamma, beta, mean, variance, eps, dgamma, dbeta,
                     Shape(rows, channels));
}
}
