/* A CUDA runtime without a GPU: PyTorch's own host code runs against it, kernels do nothing.
 *
 * Device memory is host memory that is reserved and counted, over all processes that name the same
 * ledger. A stream capture forbids what CUDA forbids (CUDA C++ Programming Guide, "Prohibited and
 * Unhandled Operations"), with CUDA's own errors. Results of kernels are zeros or leftovers: what
 * is computed means nothing here, what is asked of the device, refused and counted does.
 *
 * Of the environment:
 *   CUDA_HOST_LEDGER      file in which processes count their memory
 *   CUDA_HOST_MEMORY_MB   memory of each device (80,000)
 *   CUDA_HOST_CONTEXT_MB  what a process takes for itself (500)
 *   CUDA_HOST_DEVICES     how many devices (1)
 *   CUDA_HOST_CAPABILITY  compute capability without its point (90)
 *   CUDA_HOST_NO_BLAS     set: cuBLAS finds no memory for its handle
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "driver_types.h"

#define API __attribute__((visibility("default")))
#define MEGABYTE ((int64_t)1 << 20)

static int64_t number_from(const char *name, int64_t otherwise) {
  const char *given = getenv(name);
  return given && *given ? atoll(given) : otherwise;
}

static __thread cudaError_t last_error;

static cudaError_t answer(cudaError_t error) {
  if (error) last_error = error;
  return error;
}

/* ---- What was asked for, for tests to read. */

typedef struct {
  int64_t launches, graph_launches, synchronisations, allocations, captures;
} Counts;

static Counts counts;

API void *cuda_host_counts(void) { return &counts; }

/* ---- Memory: each process has a row in the ledger, dead ones count for nothing. */

#define ROWS 256

typedef struct {
  volatile int pid;
  volatile int64_t bytes;
} Row;

typedef struct Block {
  char *begin;
  size_t size;
  struct Block *next;
} Block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Row *ledger, *own_row;
static Block *blocks;

static int is_gone(int pid) { return !pid || (kill(pid, 0) && errno == ESRCH); }

static void open_ledger(void) {
  if (own_row) return;
  const char *path = getenv("CUDA_HOST_LEDGER");
  int file = path ? open(path, O_RDWR | O_CREAT, 0600) : -1;
  int flags = file < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
  if (file >= 0 && ftruncate(file, ROWS * sizeof(Row))) abort();
  ledger = mmap(NULL, ROWS * sizeof(Row), PROT_READ | PROT_WRITE, flags, file, 0);
  if (ledger == MAP_FAILED) abort();
  if (file >= 0) close(file);
  for (Row *row = ledger; row < ledger + ROWS; row++) {
    int pid = row->pid;
    if (is_gone(pid) && __sync_bool_compare_and_swap(&row->pid, pid, getpid())) {
      row->bytes = number_from("CUDA_HOST_CONTEXT_MB", 500) * MEGABYTE;
      own_row = row;
      return;
    }
  }
  abort();
}

static int64_t total_bytes(void) { return number_from("CUDA_HOST_MEMORY_MB", 80000) * MEGABYTE; }

static int64_t used_bytes(void) {
  int64_t used = 0;
  for (Row *row = ledger; row < ledger + ROWS; row++)
    if (!is_gone(row->pid)) used += row->bytes;
  return used;
}

static Block *block_of(const void *pointer) {
  for (Block *block = blocks; block; block = block->next)
    if ((char *)pointer >= block->begin && (char *)pointer < block->begin + block->size) return block;
  return NULL;
}

__attribute__((destructor)) static void leave_ledger(void) {
  if (own_row && own_row->pid == getpid()) own_row->pid = 0;
}

/* ---- Streams and their capture; one capture at a time, as PyTorch has it. */

typedef struct Stream {
  int captures, broken, nodes;
  unsigned long long capture;
} Stream;

typedef struct {
  double milliseconds;
  int captured;
} Event;

typedef struct {
  int nodes;
} Graph;

static Stream legacy_stream, *origin;
static int origin_mode;
static unsigned long long captures_begun;
static __thread int thread_mode; /* global, thread-local, relaxed: 0, 1, 2 */

static Stream *stream_of(cudaStream_t handle) {
  return (uintptr_t)handle <= 2 ? &legacy_stream : (Stream *)handle;
}

static int capture_forbids(void) { return origin && origin_mode != 2 && thread_mode != 2; }

static cudaError_t break_capture(cudaError_t error) {
  if (origin) origin->broken = 1;
  return answer(error);
}

static cudaError_t enqueue(cudaStream_t handle) {
  Stream *stream = stream_of(handle);
  if (!stream->captures) {
    counts.launches++;
    return cudaSuccess;
  }
  if (origin && origin->broken) return answer(cudaErrorStreamCaptureInvalidated);
  if (origin) origin->nodes++;
  return cudaSuccess;
}

API cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  *stream = (cudaStream_t)calloc(1, sizeof(Stream));
  return cudaSuccess;
}
API cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
API cudaError_t cudaStreamCreate(cudaStream_t *stream) {
  return cudaStreamCreateWithPriority(stream, 0, 0);
}
API cudaError_t cudaStreamDestroy(cudaStream_t stream) { return cudaSuccess; }
API cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *priority) {
  *priority = 0;
  return cudaSuccess;
}
API cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = 0, *greatest = -5;
  return cudaSuccess;
}
API cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  counts.synchronisations++;
  Stream *stream = stream_of(handle);
  if (stream->captures) return break_capture(cudaErrorStreamCaptureUnsupported);
  if (stream == &legacy_stream && capture_forbids())
    return break_capture(cudaErrorStreamCaptureImplicit);
  return cudaSuccess;
}
API cudaError_t cudaStreamQuery(cudaStream_t handle) {
  if (stream_of(handle)->captures) return break_capture(cudaErrorStreamCaptureUnsupported);
  return cudaSuccess;
}
API cudaError_t cudaDeviceSynchronize(void) {
  counts.synchronisations++;
  return capture_forbids() ? break_capture(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}
API cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) {
  int before = thread_mode;
  thread_mode = *mode;
  *mode = before;
  return cudaSuccess;
}
API cudaError_t cudaStreamBeginCapture(cudaStream_t handle, enum cudaStreamCaptureMode mode) {
  Stream *stream = stream_of(handle);
  if (stream == &legacy_stream || origin) return answer(cudaErrorStreamCaptureUnsupported);
  *stream = (Stream){.captures = 1, .capture = ++captures_begun};
  origin = stream;
  origin_mode = mode;
  counts.captures++;
  return cudaSuccess;
}
API cudaError_t cudaStreamBeginCaptureToGraph(cudaStream_t stream, cudaGraph_t graph,
                                              const cudaGraphNode_t *nodes,
                                              const cudaGraphEdgeData *edges, size_t count,
                                              enum cudaStreamCaptureMode mode) {
  return cudaStreamBeginCapture(stream, mode);
}
API cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph) {
  Stream *stream = stream_of(handle);
  int broken = stream->broken;
  Graph *made = calloc(1, sizeof(Graph));
  made->nodes = stream->nodes;
  stream->captures = stream->broken = 0;
  origin = NULL;
  *graph = broken ? NULL : (cudaGraph_t)made;
  return broken ? answer(cudaErrorStreamCaptureInvalidated) : cudaSuccess;
}
API cudaError_t cudaStreamIsCapturing(cudaStream_t handle, enum cudaStreamCaptureStatus *status) {
  Stream *stream = stream_of(handle);
  *status = !stream->captures             ? cudaStreamCaptureStatusNone
            : origin && origin->broken ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
API cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, enum cudaStreamCaptureStatus *status,
                                         unsigned long long *capture, cudaGraph_t *graph,
                                         const cudaGraphNode_t **nodes,
                                         const cudaGraphEdgeData **edges, size_t *count) {
  static Graph under_way;
  if (capture) *capture = stream_of(handle)->capture;
  if (graph) *graph = (cudaGraph_t)&under_way;
  if (nodes) *nodes = NULL;
  if (edges) *edges = NULL;
  if (count) *count = 0;
  return cudaStreamIsCapturing(handle, status);
}

/* ---- Graphs. */

API cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
  *count = ((Graph *)graph)->nodes;
  return cudaSuccess;
}
API cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *made, cudaGraph_t graph,
                                              unsigned long long flags) {
  *made = (cudaGraphExec_t)calloc(1, sizeof(Graph));
  return cudaSuccess;
}
API cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return cudaSuccess; }
API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) { return cudaSuccess; }
API cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  counts.graph_launches++;
  return cudaSuccess;
}

/* ---- Events. */

API cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  *event = (cudaEvent_t)calloc(1, sizeof(Event));
  return cudaSuccess;
}
API cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, 0); }
API cudaError_t cudaEventDestroy(cudaEvent_t event) {
  free(event);
  return cudaSuccess;
}
API cudaError_t cudaEventRecordWithFlags(cudaEvent_t handle, cudaStream_t stream, unsigned flags) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  Event *event = (Event *)handle;
  event->milliseconds = now.tv_sec * 1e3 + now.tv_nsec / 1e6;
  event->captured = stream_of(stream)->captures;
  return cudaSuccess;
}
API cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}
API cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  counts.synchronisations++;
  if (((Event *)event)->captured) return break_capture(cudaErrorStreamCaptureUnsupported);
  return cudaSuccess;
}
API cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (((Event *)event)->captured || capture_forbids())
    return break_capture(cudaErrorStreamCaptureUnsupported);
  return cudaSuccess;
}
API cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to) {
  *milliseconds = ((Event *)to)->milliseconds - ((Event *)from)->milliseconds;
  return cudaSuccess;
}
API cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t awaited, unsigned flags) {
  Event *event = (Event *)awaited;
  Stream *stream = stream_of(handle);
  if (event->captured && origin) {
    if (stream == &legacy_stream) return break_capture(cudaErrorStreamCaptureImplicit);
    stream->captures = 1; /* it joins the capture */
    stream->capture = origin->capture;
  } else if (stream->captures && !event->captured) {
    return break_capture(cudaErrorStreamCaptureIsolation);
  }
  return cudaSuccess;
}

/* ---- Allocation and copies. */

API cudaError_t cudaMalloc(void **pointer, size_t size) {
  *pointer = NULL;
  if (origin && !origin->broken && capture_forbids())
    return break_capture(cudaErrorStreamCaptureUnsupported);
  pthread_mutex_lock(&lock);
  open_ledger();
  int fits = used_bytes() + (int64_t)size <= total_bytes();
  void *found = MAP_FAILED;
  if (fits)
    found = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found != MAP_FAILED) {
    Block *block = malloc(sizeof(Block));
    *block = (Block){.begin = found, .size = size, .next = blocks};
    blocks = block;
    own_row->bytes += size;
    counts.allocations++;
    *pointer = found;
  }
  pthread_mutex_unlock(&lock);
  return *pointer ? cudaSuccess : answer(cudaErrorMemoryAllocation);
}
API cudaError_t cudaFree(void *pointer) {
  if (!pointer) return cudaSuccess;
  if (origin && !origin->broken && capture_forbids())
    return break_capture(cudaErrorStreamCaptureUnsupported);
  pthread_mutex_lock(&lock);
  for (Block **link = &blocks; *link; link = &(*link)->next) {
    Block *block = *link;
    if (block->begin != pointer) continue;
    *link = block->next;
    munmap(block->begin, block->size);
    own_row->bytes -= block->size;
    free(block);
    break;
  }
  pthread_mutex_unlock(&lock);
  return cudaSuccess;
}
API cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  pthread_mutex_lock(&lock);
  open_ledger();
  int64_t left = total_bytes() - used_bytes();
  *total = total_bytes();
  *available = left > 0 ? left : 0;
  pthread_mutex_unlock(&lock);
  return cudaSuccess;
}
API cudaError_t cudaHostAlloc(void **pointer, size_t size, unsigned flags) {
  *pointer = calloc(1, size);
  return cudaSuccess;
}
API cudaError_t cudaFreeHost(void *pointer) {
  free(pointer);
  return cudaSuccess;
}
API cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *found, const void *pointer) {
  pthread_mutex_lock(&lock);
  int on_device = block_of(pointer) != NULL;
  pthread_mutex_unlock(&lock);
  memset(found, 0, sizeof *found);
  found->type = on_device ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  found->device = on_device ? 0 : -2;
  found->devicePointer = on_device ? (void *)pointer : NULL;
  found->hostPointer = on_device ? NULL : (void *)pointer;
  return cudaSuccess;
}
API cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, enum cudaMemcpyKind kind,
                                cudaStream_t stream) {
  if (stream_of(stream)->captures) return enqueue(stream);
  if (size) memmove(to, from, size);
  /* A single number that a kernel should have written: zero, and never a leftover. */
  if (size <= 8 && kind == cudaMemcpyDeviceToHost) memset(to, 0, size);
  return cudaSuccess;
}
API cudaError_t cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind) {
  if (capture_forbids()) return break_capture(cudaErrorStreamCaptureImplicit);
  return cudaMemcpyAsync(to, from, size, kind, NULL);
}
API cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                                  size_t width, size_t height, enum cudaMemcpyKind kind,
                                  cudaStream_t stream) {
  if (stream_of(stream)->captures) return enqueue(stream);
  for (size_t row = 0; row < height; row++)
    memmove((char *)to + row * to_pitch, (const char *)from + row * from_pitch, width);
  return cudaSuccess;
}
API cudaError_t cudaMemsetAsync(void *to, int value, size_t size, cudaStream_t stream) {
  if (stream_of(stream)->captures) return enqueue(stream);
  memset(to, value, size);
  return cudaSuccess;
}
API cudaError_t cudaMemset(void *to, int value, size_t size) {
  if (capture_forbids()) return break_capture(cudaErrorStreamCaptureImplicit);
  return cudaMemsetAsync(to, value, size, NULL);
}
API cudaError_t cudaGetSymbolAddress(void **pointer, const void *symbol) {
  static char anything[1 << 16];
  *pointer = anything;
  return cudaSuccess;
}

/* ---- Devices. */

static __thread int current_device;

API cudaError_t cudaGetDeviceCount(int *count) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  int devices = number_from("CUDA_HOST_DEVICES", 1), named = 1;
  if (visible) {
    if (!*visible || !strcmp(visible, "-1")) {
      *count = 0;
      return answer(cudaErrorNoDevice);
    }
    for (const char *letter = visible; *letter; letter++) named += *letter == ',';
    devices = named < devices ? named : devices;
  }
  *count = devices;
  return cudaSuccess;
}
API cudaError_t cudaGetDevice(int *device) {
  *device = current_device;
  return cudaSuccess;
}
API cudaError_t cudaSetDevice(int device) {
  current_device = device;
  return cudaSuccess;
}
API cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *found, int device) {
  *found = (struct cudaDeviceProp){
      .name = "no GPU (CUDA on the host)",
      .totalGlobalMem = total_bytes(),
      .sharedMemPerBlock = 48 << 10,
      .sharedMemPerBlockOptin = 227 << 10,
      .sharedMemPerMultiprocessor = 228 << 10,
      .regsPerBlock = 1 << 16,
      .regsPerMultiprocessor = 1 << 16,
      .warpSize = 32,
      .maxThreadsPerBlock = 1024,
      .maxThreadsDim = {1024, 1024, 64},
      .maxGridSize = {2147483647, 65535, 65535},
      .totalConstMem = 1 << 16,
      .major = number_from("CUDA_HOST_CAPABILITY", 90) / 10,
      .minor = number_from("CUDA_HOST_CAPABILITY", 90) % 10,
      .textureAlignment = 512,
      .multiProcessorCount = 100,
      .maxThreadsPerMultiProcessor = 2048,
      .maxBlocksPerMultiProcessor = 32,
      .l2CacheSize = 50 << 20,
      .concurrentKernels = 1,
      .unifiedAddressing = 1,
      .managedMemory = 1,
      .cooperativeLaunch = 1,
      .asyncEngineCount = 2,
  };
  return cudaSuccess;
}
API cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
  struct cudaDeviceProp has;
  cudaGetDeviceProperties(&has, device);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = has.maxThreadsPerBlock; break;
    case cudaDevAttrMaxBlockDimX: *value = has.maxThreadsDim[0]; break;
    case cudaDevAttrMaxBlockDimY: *value = has.maxThreadsDim[1]; break;
    case cudaDevAttrMaxBlockDimZ: *value = has.maxThreadsDim[2]; break;
    case cudaDevAttrMaxGridDimX: *value = has.maxGridSize[0]; break;
    case cudaDevAttrMaxGridDimY: *value = has.maxGridSize[1]; break;
    case cudaDevAttrMaxGridDimZ: *value = has.maxGridSize[2]; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = has.sharedMemPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = has.sharedMemPerBlockOptin; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = has.sharedMemPerMultiprocessor;
      break;
    case cudaDevAttrMaxRegistersPerBlock: *value = has.regsPerBlock; break;
    case cudaDevAttrMaxRegistersPerMultiprocessor: *value = has.regsPerMultiprocessor; break;
    case cudaDevAttrWarpSize: *value = has.warpSize; break;
    case cudaDevAttrMultiProcessorCount: *value = has.multiProcessorCount; break;
    case cudaDevAttrL2CacheSize: *value = has.l2CacheSize; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = has.maxThreadsPerMultiProcessor; break;
    case cudaDevAttrMaxBlocksPerMultiprocessor: *value = has.maxBlocksPerMultiProcessor; break;
    case cudaDevAttrUnifiedAddressing: *value = has.unifiedAddressing; break;
    case cudaDevAttrComputeCapabilityMajor: *value = has.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = has.minor; break;
    default: *value = 0;
  }
  return cudaSuccess;
}
API cudaError_t cudaDriverGetVersion(int *version) {
  *version = CUDA_HOST_VERSION;
  return cudaSuccess;
}
API cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = CUDA_HOST_VERSION;
  return cudaSuccess;
}
API cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device) {
  snprintf(text, size, "0000:00:%02d.0", device);
  return cudaSuccess;
}
API cudaError_t cudaDeviceCanAccessPeer(int *can, int one, int other) {
  *can = 0;
  return cudaSuccess;
}
API cudaError_t cudaGetLastError(void) {
  cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}
API cudaError_t cudaPeekAtLastError(void) { return last_error; }
API const char *cudaGetErrorName(cudaError_t error) { return "cudaError"; }
API const char *cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureIsolation: return "dependency created on uncaptured work";
    case cudaErrorStreamCaptureImplicit:
      return "operation would make the legacy stream depend on a capturing blocking stream";
    default: return "an error";
  }
}

/* ---- Kernels: checked as a launch is, and then nothing. */

API cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments,
                                 size_t shared, cudaStream_t stream) {
  uint64_t threads = (uint64_t)block.x * block.y * block.z;
  if (!grid.x || !grid.y || !grid.z || !threads || threads > 1024)
    return answer(cudaErrorInvalidConfiguration);
  return enqueue(stream);
}
API cudaError_t __cudaLaunchKernel(void *kernel, dim3 grid, dim3 block, void **arguments,
                                   size_t shared, cudaStream_t stream) {
  return cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}
API cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *function,
                                    void **arguments) {
  return cudaLaunchKernel(function, config->gridDim, config->blockDim, arguments,
                          config->dynamicSmemBytes, config->stream);
}
API cudaError_t __cudaGetKernel(void **kernel, const void *function) {
  *kernel = (void *)function;
  return cudaSuccess;
}
API cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
  if (stream_of(stream)->captures) return enqueue(stream);
  function(data);
  return cudaSuccess;
}

static __thread struct {
  dim3 grid, block;
  size_t shared;
  void *stream;
} pushed[32];
static __thread int pushes;

API unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void *stream) {
  if (pushes == 32) abort();
  pushed[pushes].grid = grid, pushed[pushes].block = block;
  pushed[pushes].shared = shared, pushed[pushes].stream = stream;
  pushes++;
  return 0;
}
API cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream) {
  pushes--;
  *grid = pushed[pushes].grid, *block = pushed[pushes].block;
  *shared = pushed[pushes].shared, *(void **)stream = pushed[pushes].stream;
  return cudaSuccess;
}
API void **__cudaRegisterFatBinary(void *binary) {
  static void *handle;
  return &handle;
}
API void __cudaRegisterFatBinaryEnd(void **handle) {}
API void __cudaUnregisterFatBinary(void **handle) {}
API char __cudaInitModule(void **handle) { return 1; }
API void __cudaRegisterFunction(void) {}
API void __cudaRegisterVar(void) {}
API cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *found, const void *function) {
  *found = (struct cudaFuncAttributes){
      .maxThreadsPerBlock = 1024,
      .numRegs = 32,
      .maxDynamicSharedSizeBytes = 48 << 10,
      .binaryVersion = 90,
      .ptxVersion = 90,
  };
  return cudaSuccess;
}
API cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int *blocks_of_one, const void *function, int threads, size_t shared, unsigned flags) {
  *blocks_of_one = threads >= 1024 ? 2 : 2048 / (threads > 0 ? threads : 1);
  return cudaSuccess;
}

static int do_nothing(void) { return 0; }

API cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function,
                                                 unsigned version, unsigned long long flags,
                                                 enum cudaDriverEntryPointQueryResult *found) {
  *function = (void *)do_nothing;
  if (found) *found = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}

/* ---- cuBLAS: a product is a launch on the stream that its handle was given. */

static __thread cudaStream_t blas_stream;

API int cublasCreate_v2(void **handle) {
  *handle = malloc(8);
  return getenv("CUDA_HOST_NO_BLAS") ? 3 /* CUBLAS_STATUS_ALLOC_FAILED */ : 0;
}
API int cublasDestroy_v2(void *handle) {
  free(handle);
  return 0;
}
API int cublasSetStream_v2(void *handle, cudaStream_t stream) {
  blas_stream = stream;
  return 0;
}
API int cublasGetMathMode(void *handle, int *mode) {
  *mode = 0;
  return 0;
}
API int cublasGetPointerMode_v2(void *handle, int *mode) {
  *mode = 0;
  return 0;
}
API int cublasLtMatmulAlgoGetHeuristic(void *handle, void *product, void *a, void *b, void *c,
                                       void *d, void *preference, int wanted, void *results,
                                       int *found) {
  memset(results, 0, 72);
  *found = 1;
  return 0;
}

static int product(void) { return enqueue(blas_stream) ? 13 /* CUBLAS_STATUS_EXECUTION_FAILED */ : 0; }

API int cublasSgemm_v2(void) { return product(); }
API int cublasDgemm_v2(void) { return product(); }
API int cublasGemmEx(void) { return product(); }
API int cublasGemmStridedBatchedEx(void) { return product(); }
API int cublasSgemmStridedBatched(void) { return product(); }
API int cublasLtMatmul(void) { return product(); }

/* ---- All else that PyTorch's libraries name succeeds and does nothing. */

#include "others.inc"
