import CLinux
import Glibc
import SystemCalls

/// Puts what was written of a large file onto the disk while the rest is being made, and gives its pages back.
///
/// A dump is as large as the ledger and is seldom read. Left to the page cache it takes as much memory as it has
/// bytes, pushes out what the host's programs had cached, and waits for the disk when all is written. Pages that
/// were not in use before cost more than anything else in a dump: on a virtual machine its host has to find
/// each of them. `pwritev2` has had `RWF_DONTCACHE` for this since Linux 6.14; these calls do it everywhere.
struct WriteOut {
    /// Bytes that go to the disk at once.
    static let piece = 8 << 20
    /// As many pieces may be on their way.
    static let pieces = 3

    private let number: Int32
    private var begun = 0
    private var isPossible = true

    /// Makes one for an empty file.
    init(_ file: borrowing FileDescriptor) { number = file.number }

    /// Notes that the file now ends at `end`.
    mutating func advance(to end: Int) throws(SystemError) {
        while end - begun >= Self.piece, isPossible {
            try sync(begun, SYNC_FILE_RANGE_WRITE)
            begun += Self.piece
            let oldest = begun - Self.pieces * Self.piece
            if oldest < 0 { continue }
            try sync(
                oldest,
                SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)
            posix_fadvise(number, off_t(oldest), off_t(Self.piece), POSIX_FADV_DONTNEED)
        }
    }

    /// A failed write to the disk is reported once, here or in `fdatasync`: it must not be lost. Anything else
    /// means that this cannot be done here; the file is whole all the same.
    private mutating func sync(_ offset: Int, _ flags: some BinaryInteger) throws(SystemError) {
        do throws(SystemError) {
            _ = try systemCall("sync_file_range") {
                sync_file_range(number, off_t(offset), off_t(Self.piece), UInt32(flags))
            }
        } catch {
            if [EIO, ENOSPC, EDQUOT].contains(error.code) { throw error }
            isPossible = false
        }
    }
}
