// Convolutions of 3x3 with stride 1 and padding 1 over channels-last maps, for training in fp32 on the CPU.
//
// Winograd's filtering F(2x2, 3x3): a tile d of 4x4 numbers of x gives a tile of 2x2 numbers of y,
//
//   y = A' [(G g G') * (B' d B)] A
//
//   A' = 1  1  1  0        B' = 1  0 -1  0        G = 1    0    0
//        0  1 -1 -1             0  1  1  0            0.5  0.5  0.5
//                               0 -1  1  0            0.5 -0.5  0.5
//                               0  1  0 -1            0    0    1
//
// with 16 products for each pair of channels, where the definition has 36. The 16 places of a tile are called points.
// At each point, the channels of many tiles make one product of matrices: m = v u.
//
// Blocks of tiles are so small that their v and m stay in the cache. Sums over tiles are gathered in groups that do
// not depend on the number of threads, so neither does the result.

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

#ifdef __AVX512F__
constexpr int lanes = 16;       // numbers of a register
constexpr int wide_rows = 12;   // of a product two registers wide: its sums and operands fill the registers
#else
constexpr int lanes = 8;
constexpr int wide_rows = 6;
#endif
constexpr int narrow_rows = 12;  // of a product one register wide
constexpr int points = 16;
constexpr int64_t numbers_of_point = 2048;  // of a block, in v and m
constexpr int64_t tiles_of_group = 256;     // at least, of a group whose gradients of the weights are summed apart
constexpr int64_t most_groups = 16;

typedef float vec __attribute__((vector_size(4 * lanes)));

inline vec load(const float* from) {
  vec value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store(float* to, vec value) { std::memcpy(to, &value, sizeof value); }

// Images of height x width pixels as strips of tiles: a strip gives two rows of y.
struct Maps {
  int64_t images, height, width, down, across;
  Maps(int64_t images, int64_t height, int64_t width)
      : images(images), height(height), width(width), down((height + 1) / 2), across((width + 1) / 2) {}
  int64_t strips() const { return images * down; }

  // The address of a row of the image that a strip belongs to; `outside` for one above or below the image.
  template <typename T>
  T* row(T* maps, int64_t strip, int64_t offset, int64_t channels, T* outside) const {
    int64_t row = strip % down * 2 + offset;
    return row < 0 || row >= height ? outside : maps + (strip / down * height + row) * width * channels;
  }
};

// B' d B of a tile, whose numbers stand at d(row, column): to[point][channel].
template <typename Tile>
inline void transform_input(Tile d, int64_t channels, int64_t stride, float* to) {
  for (int64_t c = 0; c < channels; c += lanes) {
    auto row = [&](auto combine, float* at) {
      vec r0 = combine(0), r1 = combine(1), r2 = combine(2), r3 = combine(3);
      store(at + c, r0 - r2);
      store(at + stride + c, r1 + r2);
      store(at + 2 * stride + c, r2 - r1);
      store(at + 3 * stride + c, r1 - r3);
    };
    row([&](int j) { return load(d(0, j) + c) - load(d(2, j) + c); }, to);
    row([&](int j) { return load(d(1, j) + c) + load(d(2, j) + c); }, to + 4 * stride);
    row([&](int j) { return load(d(2, j) + c) - load(d(1, j) + c); }, to + 8 * stride);
    row([&](int j) { return load(d(1, j) + c) - load(d(3, j) + c); }, to + 12 * stride);
  }
}

// B' d B of each tile of some strips: to[point][tile][channel].
void transform_inputs(const Maps& maps, const float* x, int64_t channels, int64_t first, int64_t last,
                      int64_t stride, const float* zeros, float* to) {
  for (int64_t strip = first; strip < last; strip++) {
    const float* rows[4];
    for (int i = 0; i < 4; i++) rows[i] = maps.row(x, strip, i - 1, channels, zeros);
    for (int64_t tile = 0; tile < maps.across; tile++, to += channels) {
      int64_t left = 2 * tile - 1;
      if (left >= 0 && left + 4 <= maps.width) {
        const float *r0 = rows[0] + left * channels, *r1 = rows[1] + left * channels;
        const float *r2 = rows[2] + left * channels, *r3 = rows[3] + left * channels;
        transform_input([=](int i, int j) { return (i == 0 ? r0 : i == 1 ? r1 : i == 2 ? r2 : r3) + j * channels; },
                        channels, stride, to);
      } else {
        transform_input(
            [&](int i, int j) {
              bool inside = left + j >= 0 && left + j < maps.width;
              return inside ? rows[i] + (left + j) * channels : zeros;
            },
            channels, stride, to);
      }
    }
  }
}

// A dy A' of each tile of some strips: to[point][tile][channel].
void transform_gradients(const Maps& maps, const float* dy, int64_t channels, int64_t first, int64_t last,
                         int64_t stride, const float* zeros, float* to) {
  for (int64_t strip = first; strip < last; strip++) {
    const float *top = maps.row(dy, strip, 0, channels, zeros), *bottom = maps.row(dy, strip, 1, channels, zeros);
    for (int64_t tile = 0; tile < maps.across; tile++, to += channels) {
      bool inside = 2 * tile + 1 < maps.width;
      const float *d00 = top + 2 * tile * channels, *d01 = inside ? d00 + channels : zeros;
      const float *d10 = bottom + 2 * tile * channels, *d11 = inside ? d10 + channels : zeros;
      for (int64_t c = 0; c < channels; c += lanes) {
        auto row = [&](vec left, vec right, float* at) {
          store(at + c, left);
          store(at + stride + c, left + right);
          store(at + 2 * stride + c, left - right);
          store(at + 3 * stride + c, -right);
        };
        vec a = load(d00 + c), b = load(d01 + c), e = load(d10 + c), f = load(d11 + c);
        row(a, b, to);
        row(a + e, b + f, to + 4 * stride);
        row(a - e, b - f, to + 8 * stride);
        row(-e, -f, to + 12 * stride);
      }
    }
  }
}

// A' m A of each tile of some strips, to the pixels of y.
void transform_outputs(const Maps& maps, const float* from, int64_t channels, int64_t first, int64_t last,
                       int64_t stride, float* nowhere, float* y) {
  for (int64_t strip = first; strip < last; strip++) {
    float *top = maps.row(y, strip, 0, channels, nowhere), *bottom = maps.row(y, strip, 1, channels, nowhere);
    for (int64_t tile = 0; tile < maps.across; tile++, from += channels) {
      bool inside = 2 * tile + 1 < maps.width;
      float *y00 = top + 2 * tile * channels, *y01 = inside ? y00 + channels : nowhere;
      float *y10 = bottom + 2 * tile * channels, *y11 = inside ? y10 + channels : nowhere;
      for (int64_t c = 0; c < channels; c += lanes) {
        vec upper[4], lower[4];
        for (int j = 0; j < 4; j++) {
          const float* at = from + j * stride + c;
          vec m0 = load(at), m1 = load(at + 4 * stride), m2 = load(at + 8 * stride), m3 = load(at + 12 * stride);
          upper[j] = m0 + m1 + m2;
          lower[j] = m1 - m2 - m3;
        }
        store(y00 + c, upper[0] + upper[1] + upper[2]);
        store(y01 + c, upper[1] - upper[2] - upper[3]);
        store(y10 + c, lower[0] + lower[1] + lower[2]);
        store(y11 + c, lower[1] - lower[2] - lower[3]);
      }
    }
  }
}

// The steps between the numbers of weight[output][input][row][column].
struct Strides {
  int64_t output, input, row, column;
};

// G g G' of all pairs of channels: to[point][input][output].
void transform_weights(const float* weight, Strides strides, int64_t inputs, int64_t outputs, float* to) {
  int64_t stride = inputs * outputs;
  for (int64_t c = 0; c < inputs; c++)
    for (int64_t k = 0; k < outputs; k += lanes, to += lanes) {
      float filters[3][3][lanes];
      const float* from = weight + c * strides.input + k * strides.output;
      for (int lane = 0; lane < lanes; lane++, from += strides.output)
        for (int i = 0; i < 3; i++)
          for (int j = 0; j < 3; j++) filters[i][j][lane] = from[i * strides.row + j * strides.column];
      vec rows[4][3];  // G g
      for (int j = 0; j < 3; j++) {
        vec g0 = load(filters[0][j]), g1 = load(filters[1][j]), g2 = load(filters[2][j]);
        rows[0][j] = g0;
        rows[1][j] = (g0 + g1 + g2) * 0.5f;
        rows[2][j] = (g0 - g1 + g2) * 0.5f;
        rows[3][j] = g2;
      }
      for (int i = 0; i < 4; i++) {
        vec g0 = rows[i][0], g1 = rows[i][1], g2 = rows[i][2];
        float* at = to + 4 * i * stride;
        store(at, g0);
        store(at + stride, (g0 + g1 + g2) * 0.5f);
        store(at + 2 * stride, (g0 - g1 + g2) * 0.5f);
        store(at + 3 * stride, g2);
      }
    }
}

// G' u G of all pairs of channels, u[point][input][output].
void transform_weight_gradients(const float* u, Strides strides, int64_t inputs, int64_t outputs, float* weight) {
  int64_t stride = inputs * outputs;
  for (int64_t c = 0; c < inputs; c++)
    for (int64_t k = 0; k < outputs; k += lanes, u += lanes) {
      vec rows[3][4];  // G' u
      for (int j = 0; j < 4; j++) {
        const float* at = u + j * stride;
        vec u0 = load(at), u1 = load(at + 4 * stride), u2 = load(at + 8 * stride), u3 = load(at + 12 * stride);
        rows[0][j] = u0 + (u1 + u2) * 0.5f;
        rows[1][j] = (u1 - u2) * 0.5f;
        rows[2][j] = (u1 + u2) * 0.5f + u3;
      }
      float filters[3][3][lanes];
      for (int i = 0; i < 3; i++) {
        store(filters[i][0], rows[i][0] + (rows[i][1] + rows[i][2]) * 0.5f);
        store(filters[i][1], (rows[i][1] - rows[i][2]) * 0.5f);
        store(filters[i][2], (rows[i][1] + rows[i][2]) * 0.5f + rows[i][3]);
      }
      float* to = weight + c * strides.input + k * strides.output;
      for (int lane = 0; lane < lanes; lane++, to += strides.output)
        for (int i = 0; i < 3; i++)
          for (int j = 0; j < 3; j++) to[i * strides.row + j * strides.column] = filters[i][j][lane];
    }
}

// m[row][k] = sum over c of v[row][c] u[c][k], for `rows` rows and `width` vectors of columns.
template <int rows, int width>
inline void multiply(const float* v, const float* u, float* m, int64_t inputs, int64_t outputs) {
  vec sums[rows][width] = {};
  for (int64_t c = 0; c < inputs; c++) {
    vec weights[width];
    for (int j = 0; j < width; j++) weights[j] = load(u + c * outputs + j * lanes);
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < width; j++) sums[i][j] += v[i * inputs + c] * weights[j];
  }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < width; j++) store(m + i * outputs + j * lanes, sums[i][j]);
}

// sums[c][k] += sum over tiles of v[tile][c] m[tile][k], for `rows` inputs and `width` vectors of outputs.
template <int rows, int width>
inline void gather(const float* v, const float* m, float* to, int64_t count, int64_t inputs, int64_t outputs) {
  vec sums[rows][width] = {};
  for (int64_t tile = 0; tile < count; tile++) {
    vec gradients[width];
    for (int j = 0; j < width; j++) gradients[j] = load(m + tile * outputs + j * lanes);
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < width; j++) sums[i][j] += v[tile * inputs + i] * gradients[j];
  }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < width; j++) {
      float* at = to + i * outputs + j * lanes;
      store(at, load(at) + sums[i][j]);
    }
}

// Strips that are handled together, and the tiles of them, rounded up to whole products.
struct Block {
  int64_t strips, tiles;
  Block(const Maps& maps, int64_t channels) {
    strips = std::max<int64_t>(1, numbers_of_point / channels / maps.across);
    tiles = (strips * maps.across + narrow_rows - 1) / narrow_rows * narrow_rows;
  }
};

// m = v u for `count` tiles; a few rows more are computed than asked for.
void multiply_all(const float* v, const float* u, float* m, int64_t count, int64_t inputs, int64_t outputs) {
  int64_t k = 0;
  for (; k + 2 * lanes <= outputs; k += 2 * lanes)
    for (int64_t row = 0; row < count; row += wide_rows)
      multiply<wide_rows, 2>(v + row * inputs, u + k, m + row * outputs + k, inputs, outputs);
  for (; k < outputs; k += lanes)
    for (int64_t row = 0; row < count; row += narrow_rows)
      multiply<narrow_rows, 1>(v + row * inputs, u + k, m + row * outputs + k, inputs, outputs);
}

template <int width>
inline void gather_columns(const float* v, const float* m, float* to, int64_t count, int64_t inputs, int64_t outputs) {
  int64_t c = 0;
  for (; (inputs - c) % wide_rows; c += 4) gather<4, width>(v + c, m, to + c * outputs, count, inputs, outputs);
  for (; c < inputs; c += wide_rows)
    gather<wide_rows, width>(v + c, m, to + c * outputs, count, inputs, outputs);
}

// to += v' m over `count` tiles.
void gather_all(const float* v, const float* m, float* to, int64_t count, int64_t inputs, int64_t outputs) {
  int64_t k = 0;
  for (; k + 2 * lanes <= outputs; k += 2 * lanes) gather_columns<2>(v, m + k, to + k, count, inputs, outputs);
  for (; k < outputs; k += lanes) gather_columns<1>(v, m + k, to + k, count, inputs, outputs);
}

}  // namespace

extern "C" {

// The channels before and after a convolution are multiples of this number.
int convolution_lanes() { return lanes; }

// y = x convolved with weight[output][input][row][column], whose strides are given.
void convolution_apply(const float* x, const float* weight, float* y, int64_t images, int64_t height, int64_t width,
                       int64_t inputs, int64_t outputs, int64_t output_stride, int64_t input_stride,
                       int64_t row_stride, int64_t column_stride) {
  Maps maps(images, height, width);
  Block block(maps, inputs + outputs);
  std::vector<float> weights(points * inputs * outputs), zeros((width + 1) * inputs);
  transform_weights(weight, {output_stride, input_stride, row_stride, column_stride}, inputs, outputs, weights.data());
#pragma omp parallel if (block.strips < maps.strips())
  {
    std::vector<float> v(points * block.tiles * inputs), m(points * block.tiles * outputs);
    std::vector<float> nowhere(2 * maps.across * outputs);
#pragma omp for schedule(static)
    for (int64_t first = 0; first < maps.strips(); first += block.strips) {
      int64_t last = std::min(first + block.strips, maps.strips());
      transform_inputs(maps, x, inputs, first, last, block.tiles * inputs, zeros.data(), v.data());
      for (int point = 0; point < points; point++)
        multiply_all(&v[point * block.tiles * inputs], &weights[point * inputs * outputs],
                     &m[point * block.tiles * outputs], (last - first) * maps.across, inputs, outputs);
      transform_outputs(maps, m.data(), outputs, first, last, block.tiles * outputs, nowhere.data(), y);
    }
  }
}

// The gradient to the weight, with the strides given.
void convolution_weight_gradient(const float* x, const float* dy, float* dweight, int64_t images, int64_t height,
                                 int64_t width, int64_t inputs, int64_t outputs, int64_t output_stride,
                                 int64_t input_stride, int64_t row_stride, int64_t column_stride) {
  Maps maps(images, height, width);
  Block block(maps, inputs + outputs);
  int64_t product = inputs * outputs;
  int64_t groups = std::clamp<int64_t>(maps.strips() * maps.across / tiles_of_group, 1, most_groups);
  std::vector<float> sums(groups * points * product), zeros((width + 1) * std::max(inputs, outputs));
#pragma omp parallel if (groups > 1)
  {
    std::vector<float> v(points * block.tiles * inputs), m(points * block.tiles * outputs);
#pragma omp for schedule(static)
    for (int64_t group = 0; group < groups; group++) {
      float* sum = &sums[group * points * product];
      int64_t begin = maps.strips() * group / groups, end = maps.strips() * (group + 1) / groups;
      for (int64_t first = begin; first < end; first += block.strips) {
        int64_t last = std::min(first + block.strips, end);
        transform_inputs(maps, x, inputs, first, last, block.tiles * inputs, zeros.data(), v.data());
        transform_gradients(maps, dy, outputs, first, last, block.tiles * outputs, zeros.data(), m.data());
        for (int point = 0; point < points; point++)
          gather_all(&v[point * block.tiles * inputs], &m[point * block.tiles * outputs], sum + point * product,
                     (last - first) * maps.across, inputs, outputs);
      }
    }
  }
  for (int64_t group = 1; group < groups; group++)
    for (int64_t i = 0; i < points * product; i++) sums[i] += sums[group * points * product + i];
  transform_weight_gradients(sums.data(), {output_stride, input_stride, row_stride, column_stride}, inputs, outputs,
                             dweight);
}
}
