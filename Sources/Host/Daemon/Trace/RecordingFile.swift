import CLinux
import EventTrace
import Glibc
import SystemCalls

/// A recording on the disk, read piece by piece.
final class RecordingFile {
    private let file: FileDescriptor

    /// Opens a recording. Only a regular file is one: a device may have no end, and a FIFO no other end.
    init(_ path: String) throws(StartError) {
        do throws(SystemError) {
            file = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK)
        } catch {
            throw StartError("cannot read the recording \(path): \(SystemError.text(of: error.code))")
        }
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw StartError("the recording \(path) is not a regular file; copy it into one first")
        }
    }

    /// Reads on.
    var source: TraceReader.Source {
        { [self] count throws(TraceError) in
            do throws(SystemError) {
                return try file.readAll(limit: min(count, 1 << 20))
            } catch {
                let offset = Int(lseek(file.number, 0, SEEK_CUR))
                throw .unreadable(offset: max(offset, 0), reason: SystemError.text(of: error.code))
            }
        }
    }
}
