import Glibc

/// Memory of a graph, which is mostly large.
enum LargeMemory {
    /// Areas of this size and more come in whole huge pages where the kernel gives them: one fault in place
    /// of 512 while they fill, and fewer misses of the address cache when they are looked at here and there.
    private static let large = 1 << 20
    private static let hugePage = 2 << 20
    /// What is quicker copied into huge pages than moved without.
    private static let copied = 4 << 20

    /// Changes the size of an area that is not of zeroes.
    ///
    /// - Parameter isFinal: whether it is not to grow again soon. A large area that grows is moved, not copied
    ///   (`mremap`), and huge pages that are moved to where none can begin are split, which costs more than
    ///   they gain.
    static func resize(
        _ memory: UnsafeMutableRawPointer?, from had: Int, to bytes: Int, isFinal: Bool
    ) -> UnsafeMutableRawPointer {
        if isFinal, bytes >= large, bytes > had, had <= copied {
            var area: UnsafeMutableRawPointer?
            guard posix_memalign(&area, hugePage, whole(bytes)) == 0, let area else { exhausted(bytes) }
            advise(area, whole(bytes))
            if let memory { memcpy(area, memory, had) }
            free(memory)
            return area
        }
        guard let resized = realloc(memory, max(bytes, 1)) else { exhausted(bytes) }
        if isFinal { advise(resized, bytes) }
        return resized
    }

    /// An area of zeroes, which cost nothing until they are touched; to be given back by `release`.
    static func zeroes(_ bytes: Int) -> UnsafeMutableRawPointer {
        guard bytes >= large else {
            guard let memory = calloc(max(bytes, 1), 1) else { exhausted(bytes) }
            return memory
        }
        // Enough for an aligned area to lie inside; what is before and behind it goes back.
        let mapped = whole(bytes) + hugePage
        guard let start = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != MAP_FAILED
        else { exhausted(bytes) }
        let before = (hugePage - Int(bitPattern: start) % hugePage) % hugePage
        if before > 0 { munmap(start, before) }
        let area = start + before
        if before < hugePage { munmap(area + whole(bytes), hugePage - before) }
        advise(area, whole(bytes))
        return area
    }

    /// Gives back an area of so many zeroes.
    static func release(zeroes memory: UnsafeMutableRawPointer?, _ bytes: Int) {
        if bytes >= large { munmap(memory, whole(bytes)) } else { free(memory) }
    }

    private static func whole(_ bytes: Int) -> Int { (bytes + hugePage - 1) / hugePage * hugePage }

    private static func advise(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
        guard bytes >= hugePage else { return }
        let start = (Int(bitPattern: memory) + 4095) / 4096 * 4096
        let end = (Int(bitPattern: memory) + bytes) / 4096 * 4096
        // Not given is no harm.
        _ = madvise(UnsafeMutableRawPointer(bitPattern: start), end - start, MADV_HUGEPAGE)
    }

    private static func exhausted(_ bytes: Int) -> Never { fatalError("out of memory: \(bytes) bytes") }
}
