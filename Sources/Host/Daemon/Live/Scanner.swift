import CLinux
import Glibc
import Observation
import Procfs
import Records
import SocketDiagnostics
import SystemCalls

/// Finds what is there at one moment: processes, what they hold open, sockets, channels, what they share.
///
/// Nothing that it reads waits for a file server: of files of others' filesystems the links and the mount table are all
/// that it looks at.
struct Scanner {
    let roots: MountRoots
    let network: HostNetwork
    let files: FileAccess

    /// How much to look at.
    enum Depth {
        /// Everything, mapped files included.
        case full
        /// What can have changed without an event: files open or mapped for writing, sockets, channels, shared
        /// objects.
        case open
    }

    /// Scans the host. A process that vanishes meanwhile is left out; one that may not be read is empty.
    func scan(_ depth: Depth) -> HostSnapshot {
        var cursor = ScanCursor(self, depth)
        while !cursor.advance(until: .max) { continue }
        return cursor.finish()
    }
}
