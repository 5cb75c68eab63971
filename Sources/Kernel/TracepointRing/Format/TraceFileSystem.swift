import CLinux
import Glibc
import SystemCalls

/// The tracefs, wherever it is; if nowhere, a detached mount of it that only this process has.
struct TraceFileSystem: ~Copyable {
    private let events: FileDescriptor

    /// Finds the folder of events.
    init() throws(TracepointError) {
        for path in ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"] {
            if let events = try? FileDescriptor.open(path, O_RDONLY | O_DIRECTORY) {
                self.events = events
                return
            }
        }
        do throws(SystemError) {
            events = try Self.detached().openRelative("events", O_RDONLY | O_DIRECTORY)
        } catch {
            throw .noTracefs(error)
        }
    }

    /// Reads the `format` file of a tracepoint.
    borrowing func format(of tracepoint: Tracepoint) throws(TracepointError) -> TracepointFormat {
        let bytes: [UInt8]
        do throws(SystemError) {
            let path = "\(tracepoint.group)/\(tracepoint.name)/format"
            bytes = try events.openRelative(path, O_RDONLY).readAll(limit: 1 << 17)
        } catch {
            throw .missing(error)
        }
        do throws(FormatError) {
            return try TracepointFormat(bytes)
        } catch {
            throw .format(error)
        }
    }

    /// A mount that appears in no namespace and goes with its descriptor (Linux 5.2).
    /// The corresponding C functions are `fsopen`, `fsconfig` and `fsmount`.
    private static func detached() throws(SystemError) -> FileDescriptor {
        let flags = UInt32(clinux_FSOPEN_CLOEXEC)
        let context = FileDescriptor(owning: try systemCall("fsopen") { clinux_fsopen("tracefs", flags) })
        let number = context.number
        _ = try systemCall("fsconfig") {
            clinux_fsconfig(number, UInt32(clinux_FSCONFIG_CMD_CREATE), nil, nil, 0)
        }
        let mount = try systemCall("fsmount") { clinux_fsmount(number, UInt32(clinux_FSMOUNT_CLOEXEC), 0) }
        return FileDescriptor(owning: mount)
    }
}
