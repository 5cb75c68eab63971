import Glibc

/// Memory of a graph, which is mostly large.
enum LargeMemory {
    /// Areas of this size and more come in huge pages where the kernel gives them: fewer faults while they
    /// fill, and fewer misses of the address cache when they are looked at here and there.
    private static let huge = 4 << 20
    private static let page = 4096

    /// Changes the size of an area; its pages are moved, not copied (`mremap`), if it is large.
    ///
    /// - Parameter isFinal: whether it is not to grow again soon. Huge pages that are moved to where
    ///   none can begin are split, which costs more than they gain.
    static func resize(
        _ memory: UnsafeMutableRawPointer?, to bytes: Int, isFinal: Bool
    ) -> UnsafeMutableRawPointer {
        guard let resized = realloc(memory, max(bytes, 1)) else { exhausted(bytes) }
        if isFinal { advise(resized, bytes) }
        return resized
    }

    /// An area of zeroes; they cost nothing until they are touched.
    static func zeroes(_ bytes: Int) -> UnsafeMutableRawPointer {
        guard let memory = calloc(max(bytes, 1), 1) else { exhausted(bytes) }
        advise(memory, bytes)
        return memory
    }

    private static func advise(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
        guard bytes >= huge else { return }
        let start = (Int(bitPattern: memory) + page - 1) / page * page
        let end = (Int(bitPattern: memory) + bytes) / page * page
        // Not given is no harm.
        _ = madvise(UnsafeMutableRawPointer(bitPattern: start), end - start, MADV_HUGEPAGE)
    }

    private static func exhausted(_ bytes: Int) -> Never { fatalError("out of memory: \(bytes) bytes") }
}
