// Chroma key of a strip. Integer images go through a table of alpha by difference, so that the hard
// rule and the ramp are exact.
//
// Included between TRIMATTE_TARGET_BEGIN and _END, after cpu/strip-inl.hpp and cpu/key_table.hpp.

template <class T, class A>
struct KeyStrip {
  int k, a, b;    // channel indices: key and the two others
  int threshold;  // hard rule on integers: keyed where difference > threshold
  bool hard;
  float tolerance, softness;  // float images, in 1/255
  const A* table;             // integer images: alpha by difference

  KeyStrip(const KeyOptions& options, const KeyTable<T, A>& levels)
      : k(options.channel),
        a((options.channel + 1) % 3),
        b((options.channel + 2) % 3),
        threshold(levels.threshold),
        hard(options.softness <= 0.0),
        tolerance(static_cast<float>(options.tolerance)),
        softness(static_cast<float>(options.softness)),
        table(levels.alpha.data()) {}

  void operator()(const T (*planes)[kStrip], int count, A* __restrict alpha) const {
    const T* __restrict pk = planes[k];
    const T* __restrict pa = planes[a];
    const T* __restrict pb = planes[b];
    if constexpr (std::is_same_v<T, float>) {
      for (int i = 0; i < count; ++i) {
        const float difference = 255.0f * (pk[i] - larger(pa[i], pb[i]));
        alpha[i] = from_unit<A>(key_alpha(difference, tolerance, softness));
      }
    } else if (std::is_same_v<T, A> && hard) {
      const T t = static_cast<T>(threshold);
      const A one = static_cast<A>(kFullScale<A>);
      for (int i = 0; i < count; ++i) {
        const T other = larger(pa[i], pb[i]);
        const T difference = pk[i] > other ? static_cast<T>(pk[i] - other) : T(0);
        alpha[i] = difference > t ? A(0) : one;
      }
    } else {
      T difference[kStrip];
      for (int i = 0; i < count; ++i) {
        const T other = larger(pa[i], pb[i]);
        difference[i] = static_cast<T>(larger(pk[i], other) - other);
      }
      const volatile A* entries = table;  // volatile: plain loads, vector gathers are far slower
      for (int i = 0; i < count; ++i) alpha[i] = entries[difference[i]];
    }
  }
};
