import CLinux
import Glibc
import SystemCalls

/// Reads a file in pieces of whole blocks and hashes them: a large one on as many threads as there are processors, two at least.
///
/// What a link of 1 Gbit/s carries in a second one thread hashes in a tenth of that; but a database that is stopped waits for
/// the comparison of all of it, which is what the threads are for.
enum BlockReader {
    /// Bytes of a piece; a multiple of each block size.
    static let pieceSize = 4 << 20

    struct Piece: Sendable {
        /// The index of its first block.
        var first: Int
        /// What was read; fewer bytes where the file became shorter.
        var bytes: [UInt8]
        var hashes: [BlockHash]
        /// Whether nothing is there but a hole: then there are no bytes.
        var isHole = false
        var failure: SystemError?
    }

    private struct Job: Sendable {
        var file: Int32
        var first: Int
        var size: UInt64
    }

    /// Reads a file of a size from the first byte to the last; the pieces come in order. It ends with the first error.
    static func read(
        _ file: Int32, size: UInt64, _ body: (Piece) throws(TransferError) -> Void
    ) throws(TransferError) {
        let blocks = pieceSize / BlockTable.blockSize(size)
        let pieces = (BlockTable.blocks(size) + blocks - 1) / blocks
        func job(_ index: Int) -> Job { Job(file: file, first: index * blocks, size: size) }
        guard pieces > 2 else {
            for index in 0..<pieces { try body(read(job(index))) }
            return
        }
        let queue = PieceQueue(count: pieces)
        var threads = 0
        // The file is this thread's: it stays open until the last one is done with it.
        defer { queue.end(threads) }
        for _ in 0..<max(2, min(8, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))) {
            let started: Void? = try? DetachedThread.start {
                while let index = queue.next() {
                    queue.put(read(Job(file: file, first: index * blocks, size: size)), index)
                }
                queue.leave()
            }
            if started != nil { threads += 1 }
        }
        for index in 0..<pieces { try body(threads > 0 ? queue.take(index) : read(job(index))) }
    }

    private static func read(_ job: Job) -> Piece {
        let block = BlockTable.blockSize(job.size)
        let start = UInt64(job.first) * UInt64(block)
        let length = Int(min(UInt64(pieceSize), job.size - start))
        var piece = Piece(first: job.first, bytes: [], hashes: [])
        if length % block == 0, isHole(job.file, start, length) {
            piece.isHole = true
            piece.hashes = [BlockHash](repeating: BlockTable.zeroHash(job.size), count: length / block)
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
