// Stretches of samples to linear light and back.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, after pixel/transfer.hpp and pixel/depth.hpp.

// Linear light of a sample: a table where that is small.
template <class T>
struct Decode {
  float operator()(T v) const { return srgb_to_linear(to_unit(v)); }
};
template <>
struct Decode<std::uint8_t> {
  float table[256];

  Decode() {
    for (int v = 0; v < 256; ++v) table[v] = srgb_to_linear(static_cast<float>(v) / 255.0f);
  }
  float operator()(std::uint8_t v) const { return table[v]; }
};

template <class T>
inline void decode_samples(const Decode<T>& decode, const T* __restrict samples, int count,
                           float* __restrict light) {
  for (int i = 0; i < count; ++i) light[i] = decode(samples[i]);
}

template <class T>
inline void encode_samples(const float* __restrict light, int count, T* __restrict samples) {
  for (int i = 0; i < count; ++i) samples[i] = from_unit<T>(linear_to_srgb(light[i]));
}
