// Vectors of numbers, as wide as the instruction set has them, and samples read into them.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, once per instruction set (no include guard),
// after <cstring> and, on x86, <immintrin.h>.

inline constexpr int kLanes = TRIMATTE_TARGET_ID == 2 ? 16 : TRIMATTE_TARGET_ID == 1 ? 8 : 4;

template <class T, int Lanes>
struct VectorOf {
  typedef T Type __attribute__((vector_size(Lanes * sizeof(T))));
};
template <class T, int Lanes>
using Vector = typename VectorOf<T, Lanes>::Type;

template <class Number, int Lanes, class S>
inline Vector<Number, Lanes> load(const S* samples) {
  Vector<S, Lanes> v;
  std::memcpy(&v, samples, sizeof v);
  return __builtin_convertvector(v, Vector<Number, Lanes>);
}

// GCC 12 takes bytes apart one by one for this conversion. (The masked form, with all lanes on, for
// it warns of the plain one.)
#if TRIMATTE_TARGET_ID == 2
template <>
inline Vector<std::int32_t, 16> load<std::int32_t, 16>(const std::uint8_t* samples) {
  const auto* v = reinterpret_cast<const __m128i*>(samples);
  return reinterpret_cast<Vector<std::int32_t, 16>>(
      _mm512_maskz_cvtepu8_epi32(static_cast<__mmask16>(-1), _mm_loadu_si128(v)));
}
#elif TRIMATTE_TARGET_ID == 1
template <>
inline Vector<std::int32_t, 8> load<std::int32_t, 8>(const std::uint8_t* samples) {
  const auto* v = reinterpret_cast<const __m128i*>(samples);
  return reinterpret_cast<Vector<std::int32_t, 8>>(_mm256_cvtepu8_epi32(_mm_loadl_epi64(v)));
}
#endif
