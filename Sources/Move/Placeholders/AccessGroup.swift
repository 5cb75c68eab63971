import CLinux
import Glibc
public import SystemCalls

/// The fanotify group that hears of accesses before they happen (`FAN_CLASS_PRE_CONTENT` with `FAN_PRE_ACCESS`, Linux 6.14; ext4,
/// xfs, btrfs).
public enum AccessGroup {
    /// The attribute of a file that is not complete.
    public static let attribute = "trusted.retinue.placeholder"

    /// Makes a group (fanotify_init(2)); CAP_SYS_ADMIN is needed.
    ///
    /// Its queue has no limit: what does not fit into one is let through.
    public static func make() throws(SystemError) -> FileDescriptor {
        let flags =
            clinux_FAN_CLASS_PRE_CONTENT | UInt32(FAN_CLOEXEC) | UInt32(FAN_NONBLOCK)
            | UInt32(FAN_UNLIMITED_QUEUE) | UInt32(FAN_UNLIMITED_MARKS)
        return FileDescriptor(
            owning: try systemCall("fanotify_init") {
                clinux_fanotify_init(flags, UInt32(O_RDWR | O_CLOEXEC | clinux_O_LARGEFILE))
            })
    }

    /// Has accesses to a file reported from now on, by whoever opens it after this.
    public static func mark(_ group: Int32, _ file: Int32) throws(SystemError) {
        _ = try systemCall("fanotify_mark") {
            clinux_fanotify_mark_descriptor(group, 1, clinux_FAN_PRE_ACCESS, file)
        }
    }

    /// Ends that; a file that has no mark is no error.
    public static func unmark(_ group: Int32, _ file: Int32) {
        _ = clinux_fanotify_mark_descriptor(group, 0, clinux_FAN_PRE_ACCESS, file)
    }

    /// Why a folder's filesystem cannot have placeholders; `nil` where it can.
    public static func obstacle(in folder: String) -> SystemError? {
        do throws(SystemError) {
            let group = try make()
            let number = try systemCall("open") {
                clinux_open(folder, clinux_O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600)
            }
            let file = FileDescriptor(owning: number)
            try mark(group.number, file.number)
            return nil
        } catch { return error }
    }

    /// The group that another process has, by its number there (pidfd_getfd(2), Linux 5.6); `nil` where it has none.
    static func taken(from pid: Int32) -> FileDescriptor? {
        let process = Int32(truncatingIfNeeded: clinux_pidfd_open(pid))
        guard process >= 0 else { return nil }
        defer { close(process) }
        for number in Int32(0)..<64 {
            var target = [CChar](repeating: 0, count: 64)
            guard readlink("/proc/\(pid)/fd/\(number)", &target, 63) > 0,
                target.withUnsafeBufferPointer({ strcmp($0.baseAddress!, "anon_inode:[fanotify]") }) == 0
            else { continue }
            let copy = clinux_pidfd_getfd(process, number)
            if copy >= 0 { return FileDescriptor(owning: copy) }
        }
        return nil
    }

    /// The handle of an open file.
    public static func handle(of file: Int32) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 8 + 128)
        bytes[0] = 128
        var mount: Int32 = 0
        _ = try systemCall("name_to_handle_at") {
            bytes.withUnsafeMutableBytes {
                clinux_name_to_handle_at(file, "", $0.baseAddress!, &mount, clinux_AT_EMPTY_PATH)
            }
        }
        return Array(bytes.prefix(8 + Int(bytes[0])))
    }

    /// Opens a file by its handle, on the filesystem of a folder.
    static func open(_ handle: [UInt8], on folder: Int32, _ flags: Int32) throws(SystemError)
        -> FileDescriptor
    {
        var bytes = handle
        return FileDescriptor(
            owning: try systemCall("open_by_handle_at") {
                bytes.withUnsafeMutableBytes {
                    clinux_open_by_handle_at(folder, $0.baseAddress!, flags | O_CLOEXEC)
                }
            })
    }
}
