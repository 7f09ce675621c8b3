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

// The same with light given back, and for the part that `kept` leaves, if it is not null.
template <class T>
inline void despill_strip_softly(const DespillRule& rule, const std::uint8_t* __restrict kept,
                                 int count, T (*planes)[kStrip]) {
  T* __restrict k = planes[rule.k];
  T* __restrict a = planes[rule.a];
  T* __restrict b = planes[rule.b];
  const auto take_out = [&](auto max_limit, const auto& amount) {
    DespillRule fixed = rule;
    fixed.max_limit = max_limit;
    for (int i = 0; i < count; ++i) {
      const Despilled<T> pixel = despill_pixel(k[i], a[i], b[i], fixed, amount(i));
      k[i] = pixel.k, a[i] = pixel.a, b[i] = pixel.b;
    }
  };
  const auto with_amount = [&](const auto& amount) {
    rule.max_limit ? take_out(std::true_type{}, amount) : take_out(std::false_type{}, amount);
  };
  kept ? with_amount([kept](int i) { return despill_amount(kept[i]); })
       : with_amount([](int) { return 1.0f; });
}
