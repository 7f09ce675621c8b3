// De-spill of a strip, in place.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, after cpu/strip-inl.hpp.

template <class T>
inline void despill_strip(const DespillRule& rule, int count, T (*planes)[kStrip]) {
  T* __restrict k = planes[rule.k];
  const T* __restrict a = planes[rule.a];
  const T* __restrict b = planes[rule.b];
  if constexpr (sizeof(T) == 1) {
    if (rule.fraction == 0.5 && rule.weights.divisor == 2) {  // full average: min(k, (a + b) / 2)
      for (int i = 0; i < count; ++i) {
        const auto limit = static_cast<std::uint8_t>((a[i] + b[i] + 1) >> 1);
        k[i] = k[i] < limit ? k[i] : limit;
      }
      return;
    }
  }
  const auto take_out = [&](auto max_limit) {  // a loop without the choice inside
    DespillRule fixed = rule;
    fixed.max_limit = max_limit;
    for (int i = 0; i < count; ++i) k[i] = despill_sample(k[i], a[i], b[i], fixed);
  };
  rule.max_limit ? take_out(std::true_type{}) : take_out(std::false_type{});
}
