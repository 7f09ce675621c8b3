# Finds a CUDA compiler and builds src/cuda as trimatte_cuda. In this order:
#   1. the one that the user names: CMAKE_CUDA_COMPILER or the environment's CUDACXX
#   2. the PyPI wheels nvidia-cuda-nvcc and friends, in the Python that builds
#   3. nvcc on PATH
# Sets TRIMATTE_WITH_CUDA and TRIMATTE_CUDA_ARCHITECTURES_BUILT.
# TRIMATTE_CUDA=SHIM is for tests only: src/cuda as ordinary C++ that runs on the CPU, without a CUDA
# compiler (tests/cuda_shim).
# 8.9 (Ada) runs what is compiled for 8.6; 75-virtual is for what runs none of the others.
set(TRIMATTE_CUDA_ARCHITECTURES "75-real;75-virtual;80-real;86-real;90-real;100-real;120"
  CACHE STRING "CUDA architectures to build for")
set(TRIMATTE_WITH_CUDA OFF)
set(TRIMATTE_CUDA_ARCHITECTURES_BUILT "")

if(TRIMATTE_CUDA STREQUAL "OFF")
  message(STATUS "trimatte: CUDA backend OFF, as asked")
  return()
endif()

if(TRIMATTE_CUDA STREQUAL "SHIM")
  set(TRIMATTE_WITH_CUDA ON)
  set(TRIMATTE_CUDA_ARCHITECTURES_BUILT "shim")
  message(STATUS "trimatte: CUDA backend on the CPU, for tests only")
  add_subdirectory(tests/cuda_shim)
  file(GLOB TRIMATTE_CUDA_SOURCES CONFIGURE_DEPENDS src/cuda/*.cu)
  set_source_files_properties(${TRIMATTE_CUDA_SOURCES} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-xc++")
  add_library(trimatte_cuda STATIC ${TRIMATTE_CUDA_SOURCES})
  target_link_libraries(trimatte_cuda PUBLIC trimatte_flags cuda_shim)
  return()
endif()

set(nvcc "")
set(nvcc_origin "")
if(CMAKE_CUDA_COMPILER OR DEFINED ENV{CUDACXX})
  set(nvcc "${CMAKE_CUDA_COMPILER}")
  if(NOT nvcc)
    set(nvcc "$ENV{CUDACXX}")
  endif()
  set(nvcc_origin "named by the user")
else()
  if(Python_EXECUTABLE)
    execute_process(
      COMMAND ${Python_EXECUTABLE} -c
        "import nvidia, pathlib; print(next((str(p) for r in nvidia.__path__ for p in pathlib.Path(r).glob('cu*/bin/nvcc')), ''))"
      OUTPUT_VARIABLE nvcc OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  if(nvcc)
    set(nvcc_origin "from the PyPI wheels")
    cmake_path(GET nvcc PARENT_PATH wheel_bin)
    cmake_path(GET wheel_bin PARENT_PATH wheel_root)
    # The wheels' libraries lie in lib, nvcc's own profile looks in lib64.
    set(CMAKE_CUDA_FLAGS_INIT "-L${wheel_root}/lib")
    link_directories(${wheel_root}/lib)
  else()
    find_program(TRIMATTE_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin)
    if(TRIMATTE_NVCC)
      set(nvcc "${TRIMATTE_NVCC}")
      set(nvcc_origin "found on this machine")
    endif()
  endif()
endif()

if(NOT nvcc)
  if(TRIMATTE_CUDA STREQUAL "ON")
    message(FATAL_ERROR
      "trimatte: TRIMATTE_CUDA=ON but no CUDA compiler: set CUDACXX, put nvcc on PATH, or install the "
      "wheels nvidia-cuda-nvcc nvidia-cuda-crt nvidia-nvvm nvidia-cuda-runtime nvidia-cuda-cccl (13.0)")
  endif()
  message(STATUS "trimatte: CUDA backend not built: no CUDA compiler found (TRIMATTE_CUDA=AUTO)")
  return()
endif()

set(CMAKE_CUDA_COMPILER "${nvcc}")
set(CMAKE_CUDA_ARCHITECTURES "${TRIMATTE_CUDA_ARCHITECTURES}")
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
enable_language(CUDA)
# CMake 3.25 does not know the flag of C++20 for this compiler.
foreach(kind STANDARD EXTENSION)
  if(NOT CMAKE_CUDA20_${kind}_COMPILE_OPTION)
    set(CMAKE_CUDA20_${kind}_COMPILE_OPTION "-std=c++20")
  endif()
endforeach()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(TRIMATTE_WITH_CUDA ON)
list(JOIN CMAKE_CUDA_ARCHITECTURES " " TRIMATTE_CUDA_ARCHITECTURES_BUILT)
message(STATUS "trimatte: CUDA backend ON with ${nvcc} (${nvcc_origin}), CUDA ${CMAKE_CUDA_COMPILER_VERSION}, "
  "architectures ${CMAKE_CUDA_ARCHITECTURES}")

file(GLOB TRIMATTE_CUDA_SOURCES CONFIGURE_DEPENDS src/cuda/*.cu)
add_library(trimatte_cuda STATIC ${TRIMATTE_CUDA_SOURCES})
target_link_libraries(trimatte_cuda PUBLIC trimatte_flags)
target_compile_options(trimatte_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra $<$<BOOL:${TRIMATTE_WERROR}>:-Werror=all-warnings>
  $<$<BOOL:${TRIMATTE_KERNEL_REPORT}>:-Xptxas=-v>>)
