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

    /// Scans the host. A process that vanishes meanwhile is left out; one that may not be read is empty.
    ///
    /// Those that did something since the last scan come first; where the request has a limit, the others are left
    /// out when it is reached.
    func scan(_ request: ScanRequest) -> HostSnapshot {
        roots.others.beginScan()
        var cursor = ScanCursor(self, request.depth, first: request.first)
        if request.limit == 0 {
            cursor.readAll()
        } else {
            while cursor.urgent > 0, !cursor.advance(until: 0) { continue }
            _ = cursor.advance(until: Clock.monotonic() + request.limit)
        }
        let snapshot = cursor.finish()
        if snapshot.isComplete { roots.others.endScan() }
        return snapshot
    }
}
