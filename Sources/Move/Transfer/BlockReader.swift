import CLinux
import Glibc
import SystemCalls

/// Reads a file in pieces of whole blocks and hashes them: a large one on as many threads as there are processors, two at least.
///
/// What a link of 1 Gbit/s carries in a second one thread hashes in a tenth of that; but a database that is stopped waits for
/// the comparison of all of it, which is what the threads are for.
package enum BlockReader {
    /// Bytes of a piece; a multiple of each block size.
    package static let pieceSize = 4 << 20

    /// What was read at once.
    package struct Piece: Sendable {
        /// The index of its first block.
        package var first: Int
        /// What was read; fewer bytes where the file became shorter.
        package var bytes: [UInt8]
        /// Of its blocks.
        package var hashes: [BlockHash]
        /// Whether nothing is there but a hole: then there are no bytes.
        package var isHole = false
        /// Why there are fewer bytes.
        package var failure: SystemError?
    }

    /// What is to be read at once: of an open file that stays so.
    package struct Part: Sendable {
        package var file: Int32
        /// The index of its first block.
        package var first: Int
        package var start: UInt64
        package var length: Int
        /// Bytes of a block.
        package var block: Int
        /// What a block of zeros has; `nil` where it is not asked whether the file has a hole there.
        package var zero: BlockHash?

        package init(
            file: Int32, first: Int, start: UInt64, length: Int, block: Int, zero: BlockHash? = nil
        ) {
            (self.file, self.first, self.start) = (file, first, start)
            (self.length, self.block, self.zero) = (length, block, zero)
        }
    }

    /// Reads a file of a size from the first byte to the last; the pieces come in order. It ends with the first error.
    static func read(
        _ file: Int32, size: UInt64, _ body: (Piece) throws(TransferError) -> Void
    ) throws(TransferError) {
        let block = BlockTable.blockSize(size)
        let blocks = pieceSize / block
        try read(
            (BlockTable.blocks(size) + blocks - 1) / blocks,
            { index in
                let start = UInt64(index) * UInt64(pieceSize)
                return Part(
                    file: file, first: index * blocks, start: start,
                    length: Int(min(UInt64(pieceSize), size - start)), block: block,
                    zero: BlockTable.zeroHash(size))
            }, body)
    }

    /// Reads so many parts; the pieces come in order. It ends with the first error.
    package static func read<Failure: Error>(
        _ count: Int, _ part: @escaping @Sendable (Int) -> Part, _ body: (Piece) throws(Failure) -> Void
    ) throws(Failure) {
        guard count > 2 else {
            for index in 0..<count { try body(read(part(index))) }
            return
        }
        let queue = PieceQueue(count: count)
        var threads = 0
        // Files are this thread's: they stay open until the last one is done with them.
        defer { queue.end(threads) }
        for _ in 0..<max(2, min(8, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))) {
            let started: Void? = try? DetachedThread.start {
                while let index = queue.next() { queue.put(read(part(index)), index) }
                queue.leave()
            }
            if started != nil { threads += 1 }
        }
        for index in 0..<count { try body(threads > 0 ? queue.take(index) : read(part(index))) }
    }

    private static func read(_ job: Part) -> Piece {
        let (block, start, length) = (job.block, job.start, job.length)
        var piece = Piece(first: job.first, bytes: [], hashes: [])
        if let zero = job.zero, length % block == 0, isHole(job.file, start, length) {
            piece.isHole = true
            piece.hashes = [BlockHash](repeating: zero, count: length / block)
            return piece
        }
        piece.bytes = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            while count < length {
                let got = pread(
                    job.file, buffer.baseAddress! + count, length - count, off_t(start) + off_t(count))
                if got < 0 && errno == EINTR { continue }
                if got < 0 { piece.failure = SystemError("pread") }
                if got <= 0 { break }
                count += got
            }
        }
        piece.bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let end = min(offset + block, bytes.count)
                piece.hashes.append(BlockHash(UnsafeRawBufferPointer(rebasing: bytes[offset..<end])))
                offset = end
            }
        }
        return piece
    }

    /// Whether the next data begins behind a range (`SEEK_DATA`).
    private static func isHole(_ file: Int32, _ start: UInt64, _ length: Int) -> Bool {
        let next = lseek(file, off_t(start), clinux_SEEK_DATA)
        if next < 0 { return errno == ENXIO }
        return next >= off_t(start) + off_t(length)
    }
}

/// Pieces that are read ahead, a few at a time, by threads that take the next one each.
private final class PieceQueue: @unchecked Sendable {
    private let count: Int
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    // All of it under the lock.
    private var started = 0
    private var taken = 0
    private var left = 0
    private var ready: [Int: BlockReader.Piece] = [:]
    private var isEnding = false

    /// Pieces that wait to be taken, or are being read.
    private static let most = 8

    init(count: Int) {
        self.count = count
        pthread_mutex_init(lock, nil)
        pthread_cond_init(change, nil)
    }

    deinit {
        pthread_cond_destroy(change)
        pthread_mutex_destroy(lock)
        change.deallocate()
        lock.deallocate()
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }

    /// The piece that is to be read next, when there is room for it; `nil` when there is none.
    func next() -> Int? {
        locked {
            while !isEnding && started < count && started - taken >= Self.most {
                pthread_cond_wait(change, lock)
            }
            guard !isEnding, started < count else { return nil }
            started += 1
            return started - 1
        }
    }

    func put(_ piece: BlockReader.Piece, _ index: Int) {
        locked {
            ready[index] = piece
            pthread_cond_broadcast(change)
        }
    }

    func take(_ index: Int) -> BlockReader.Piece {
        locked {
            while true {
                if let piece = ready.removeValue(forKey: index) {
                    taken += 1
                    pthread_cond_broadcast(change)
                    return piece
                }
                pthread_cond_wait(change, lock)
            }
        }
    }

    func leave() {
        locked {
            left += 1
            pthread_cond_broadcast(change)
        }
    }

    /// Waits until so many threads have left.
    func end(_ threads: Int) {
        locked {
            isEnding = true
            pthread_cond_broadcast(change)
            while left < threads { pthread_cond_wait(change, lock) }
        }
    }
}
