import CLinux
import Glibc
import SystemCalls

extension FanotifyGroup {
    /// How many events wait to be read.
    ///
    /// The corresponding C call is `ioctl(FIONREAD)`, which answers 24 bytes (`FAN_EVENT_METADATA_LEN`) for each
    /// event, whatever its length. The kernel counts by walking the queue: not for every read.
    public borrowing func waitingEvents() throws(SystemError) -> Int {
        var bytes: Int32 = 0
        let number = number
        _ = try systemCall("ioctl") { clinux_ioctl_pointer(number, UInt(FIONREAD), &bytes) }
        return Int(bytes) / MemoryLayout<fanotify_event_metadata>.size
    }
}
