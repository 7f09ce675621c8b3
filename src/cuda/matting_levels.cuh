// The alpha solver's memory on the GPU. Each level of the pyramid keeps 16 x 16 tiles around its
// unknown pixels, a tile being one plane of 256 floats after the other. Tile 0 is all zeros and
// stands for all that is not stored, so that neighbours can be read without asking.
#pragma once

#include <cstddef>
#include <cstdint>

#include "launch.cuh"
#include "pixel/matting.hpp"

namespace trimatte::cuda {

inline constexpr int kTile = 16, kTilePixels = kTile * kTile;
inline constexpr int kMostLevels = 20;

// Stored tiles lie within kStoredReach pixels of an unknown one, wide tiles within kWideReach; core
// tiles have one.
inline constexpr int kStoredReach = 4, kWideReach = 2;

// The lists of tiles, and how many tiles of a level are put on them at a time.
enum MattingList : int { kStoredList, kCoreList, kWideList, kLists };
inline constexpr int kListThreads = 256;

enum MattingPlane : int {
  kStencil = 0,                // the symmetric 5x5 stencil's centre and forward half
  kInverse = kMattingOffsets,  // of the absolute row sums; 0 where the pixel is known
  kImage,                      // 3 planes
  kRhs = kImage + 3,           // vectors of the iterations: right-hand side, then residual
  kSolution,
  kZ,
  kP,
  kQ,
  kOld,
  kDirection,  // until the prior has been added, its weight ...
  kProduct,    // ... and its target
  kBest,       // the solution of the smallest residual, if it is wanted
  kFinePlanes,
  // Only where a finer level exists: the local linear model of each 3x3 window.
  kFactor = kFinePlanes,  // 6
  kMean = kFactor + 6,    // 3
  kModel = kMean + 3,     // 4
  kSmooth = kModel + 4,   // 4
  kCoarsePlanes = kSmooth + 4,
};

// A tile of a list, with all that a block needs to begin on it: one read, not three in a row.
struct alignas(16) TileRecord {
  int around[9];  // the slots of the tile and its neighbours, row by row; 0 where none is stored
  int y0, x0;     // its first pixel
  int unused;

  __host__ __device__ int slot() const { return around[4]; }
};
inline constexpr int kRecordInts = sizeof(TileRecord) / sizeof(int);

struct MattingLevel {
  int height, width, tiles_y, tiles_x;
  std::uint8_t* classes;  // height x width: a trimap of 0, 128, 255
  float* image;           // height x width x 3; null on the finest level
  unsigned* bounds;       // of the unknown pixels in each tile
  int* slots;             // (tiles_y + 2) x (tiles_x + 2): where a tile is stored, or 0
  int* tiles;             // by slot: ty * tiles_x + tx
  std::uint8_t* kinds;    // of each tile: which lists it is on, a bit each
  int* chunks;            // of kListThreads tiles: how many are on each list
  TileRecord* core;
  TileRecord* wide;
  int* counts;   // of stored, core and wide tiles
  float* scale;  // energy of this level over that of the next coarser one
  float* planes;
  int tile_size;  // floats

  // A plane of tile 0; the others' lie tile_size apart.
  __device__ float* plane(int p) const { return planes + p * kTilePixels; }
  __device__ std::ptrdiff_t tile_at(int slot) const { return std::ptrdiff_t{slot} * tile_size; }
  __device__ int slot_at(int ty, int tx) const { return slots[(ty + 1) * (tiles_x + 2) + tx + 1]; }
  __device__ int stored() const { return counts[kStoredList]; }

  // Where the pixel lies in a plane; outside of the image, in the tile of zeros.
  __device__ std::ptrdiff_t at(int y, int x) const {
    const int lane = (y & (kTile - 1)) * kTile + (x & (kTile - 1));
    if (y < 0 || x < 0 || y >= height || x >= width) return lane;
    return tile_at(slot_at(y / kTile, x / kTile)) + lane;
  }
};

struct MattingLevels {
  MattingLevel level[kMostLevels];
  int count;
};

// What the trimap has of each class.
struct MattingCounts {
  unsigned long long foreground, background, unknown;

  __device__ bool has_both() const { return foreground && background; }
};

// The tile that a block of 256 threads works on: a thread a pixel.
struct Tile {
  int y0, x0;
  std::ptrdiff_t lane;  // of this thread's pixel in a plane
  int y, x;             // its place in the image
  const int* around;    // of its record, if it is of a list

  __device__ Tile(const MattingLevel& level, int slot)
      : Tile(level, slot, level.tiles[slot] / level.tiles_x * kTile,
             level.tiles[slot] % level.tiles_x * kTile, nullptr) {}
  __device__ Tile(const MattingLevel& level, const TileRecord& record)
      : Tile(level, record.slot(), record.y0, record.x0, record.around) {}

 private:
  __device__ Tile(const MattingLevel& level, int slot, int top, int left, const int* neighbours)
      : y0(top),
        x0(left),
        lane(level.tile_at(slot) + threadIdx.x),
        y(y0 + static_cast<int>(threadIdx.x) / kTile),
        x(x0 + static_cast<int>(threadIdx.x) % kTile),
        around(neighbours) {}
};

// Where a tile and its 8 neighbours start in a plane, in shared memory.
struct Neighbours {
  std::ptrdiff_t start[9];

  // Between barriers: nobody may still read the last tile's.
  __device__ void load(const MattingLevel& level, const Tile& tile) {
    __syncthreads();
    if (threadIdx.x < 9) start[threadIdx.x] = level.tile_at(tile.around[threadIdx.x]);
    __syncthreads();
  }

  // Where the pixel (y, x) of the tile lies in a plane; both from -16 to 31.
  __device__ std::ptrdiff_t at(int y, int x) const {
    const int near = ((y + kTile) / kTile) * 3 + (x + kTile) / kTile;
    return start[near] + (y & (kTile - 1)) * kTile + (x & (kTile - 1));
  }
};

// A tile of a plane and R pixels around it.
template <int R>
using Halo = float[kTile + 2 * R][kTile + 2 * R];

// value(place in a plane) for the tile and R pixels around it; no barriers.
template <int R, class Value>
__device__ inline void load_halo(const Neighbours& neighbours, Halo<R>& halo, const Value& value) {
  constexpr int kSide = kTile + 2 * R;
  for (int i = static_cast<int>(threadIdx.x); i < kSide * kSide; i += kTilePixels)
    halo[i / kSide][i % kSide] = value(neighbours.at(i / kSide - R, i % kSide - R));
}

// The sum over the 3x3 window around this thread's pixel.
__device__ inline float box_sum(const Halo<1>& halo) {
  const int y = static_cast<int>(threadIdx.x) / kTile, x = static_cast<int>(threadIdx.x) % kTile;
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < 9; ++i) sum += halo[y + i / 3][x + i % 3];
  return sum;
}

}  // namespace trimatte::cuda
