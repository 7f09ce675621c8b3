// RGBA in planes: colour and alpha, alpha being planes[3].
//
// Included between TRIMATTE_TARGET_BEGIN and _END, after cpu/strip-inl.hpp.

template <class T>
inline void multiply_planes(T (*planes)[kStrip], int count) {
  const T* __restrict alpha = planes[3];
  for (int c = 0; c < 3; ++c) {
    T* __restrict p = planes[c];
    for (int i = 0; i < count; ++i) p[i] = multiply_sample(p[i], alpha[i]);
  }
}

// Colour that does not show at all becomes 0.
template <class T>
inline void clear_hidden(T (*planes)[kStrip], int count) {
  const T* __restrict alpha = planes[3];
  for (int c = 0; c < 3; ++c) {
    T* __restrict p = planes[c];
    for (int i = 0; i < count; ++i) p[i] = alpha[i] > T(0) ? p[i] : T(0);
  }
}
