import CLinux
import Glibc
import SystemCalls

/// Has everything on a filesystem written to its device (syncfs(2)) while programs are started: it has to be there when clients are let
/// in, and not before.
final class DeferredSync {
    private let answer: FileDescriptor

    /// Begins.
    ///
    /// - Parameter path: a folder of the filesystem.
    init(_ path: String) throws(MoveError) {
        let folder: Int32
        do throws(SystemError) {
            folder = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY).release()
        } catch {
            throw MoveError("\(path): \(error)")
        }
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            close(folder)
            throw MoveError("socketpair: \(SystemError.text(of: errno))")
        }
        answer = FileDescriptor(owning: ends[0])
        let other = ends[1]
        let work: @Sendable () -> Void = {
            var code = syncfs(folder) == 0 ? 0 : errno
            _ = write(other, &code, MemoryLayout<Int32>.size)
            close(other)
            close(folder)
        }
        // Where no thread can be had it is done at once.
        do throws(SystemError) { try DetachedThread.start(work) } catch { work() }
    }

    /// Waits for its end; once.
    func wait() throws(MoveError) {
        var code: Int32 = 0
        var count: Int
        repeat {
            count = read(answer.number, &code, MemoryLayout<Int32>.size)
        } while count < 0 && errno == EINTR
        guard count == MemoryLayout<Int32>.size, code == 0 else {
            throw MoveError("syncfs: \(SystemError.text(of: code == 0 ? EIO : code))")
        }
    }
}
