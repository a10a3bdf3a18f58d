// Freed tensors' memory is kept for the next tensors of the same size, as torch does on GPUs.
//
// A training step takes and frees the same gigabytes again and again. malloc gives them back to the system,
// whose pages then cost more than the arithmetic on them, or cuts them up for small objects.

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace {

constexpr size_t least = 1 << 20;     // smaller tensors are malloc's
constexpr size_t huge_page = 2 << 20;  // alignment, so that the system may map huge pages

struct KeepingAllocator final : c10::Allocator {
  std::mutex mutex;
  std::unordered_map<size_t, std::vector<void*>> kept;  // free blocks by size
  std::unordered_map<void*, size_t> sizes;              // of all blocks

  // An eighth of a power of two at most is lost, and nearly equal sizes share blocks.
  static size_t rounded(size_t bytes) {
    size_t step = least >> 3;
    while (step << 4 <= bytes) step <<= 1;
    return (bytes + step - 1) / step * step;
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes < least) return c10::GetDefaultCPUAllocator()->allocate(bytes);
    size_t size = rounded(bytes);
    std::lock_guard<std::mutex> lock(mutex);
    auto& blocks = kept[size];
    void* block = nullptr;
    if (blocks.empty()) {
      if (posix_memalign(&block, huge_page, size) != 0) return c10::GetDefaultCPUAllocator()->allocate(bytes);
      madvise(block, size, MADV_HUGEPAGE);
      sizes[block] = size;
    } else {
      block = blocks.back();
      blocks.pop_back();
    }
    return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
  }

  static void release(void* block);
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};

KeepingAllocator& allocator() {
  static auto* instance = new KeepingAllocator;  // outlives every tensor
  return *instance;
}

void KeepingAllocator::release(void* block) {
  auto& self = allocator();
  std::lock_guard<std::mutex> lock(self.mutex);
  auto size = self.sizes.find(block);
  if (size == self.sizes.end())
    c10::GetDefaultCPUAllocator()->raw_deallocate(block);
  else
    self.kept[size->second].push_back(block);
}

}  // namespace

extern "C" void keep_freed_memory() { c10::SetCPUAllocator(&allocator(), 1); }
