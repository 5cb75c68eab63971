import CLinux
import Glibc
import SystemCalls

/// As whom the daemon of this host runs, if not as root: the user to whom root has given the folder of its socket.
///
/// Whatever answers on a socket is believed if it is root's, or of the user who asks: these can deceive the client anyway. A
/// daemon that runs as a user of its own is neither. Its number cannot be built in, and a name says less than it seems: the
/// owner of a name is what the user database says at this moment. But `/run/retinue` lies in folders in which only root can
/// make, rename or give away anything; so its owner is whom root has chosen to run the daemon (`RuntimeDirectory=` and
/// `User=` of the unit). No other user comes to own it, by whatever means short of root's; and where it is not there, or
/// root's, or open to others, no user is believed but root.
enum DaemonUser {
    /// The folder that says who it is.
    static let folder = String(ControlPath.runtime[..<ControlPath.runtime.lastIndex(of: "/")!])
    /// What stands for every user whom a user namespace does not know (/proc/sys/kernel/overflowuid): nobody's own.
    private static let unknown: UInt32 = 65534

    /// The owner of a folder, if it is one that root has given to a user: an absolute path without links, each folder above it
    /// root's and closed to the writing of others, itself closed to that of all but the owner. `nil` otherwise.
    static func number(_ path: String = folder) -> UInt32? {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else { return nil }
        let flags = O_PATH | O_NOFOLLOW | O_DIRECTORY
        guard var here = try? FileDescriptor.open("/", flags), var owner = owner(of: here) else { return nil }
        for name in path.split(separator: "/") {
            // Of each folder that was opened, and not of a path that may mean another one by then.
            guard owner == 0, name != "..", let next = try? here.openRelative(String(name), flags),
                let nextOwner = self.owner(of: next)
            else { return nil }
            here = next
            owner = nextOwner
        }
        return owner
    }

    /// Whether what answers on a socket as a user is the daemon. In a user namespace that does not know the daemon's user
    /// (`PrivateUsers=`) every such user looks the same: there it is only in the folder itself, where no other can listen.
    static func isBelieved(_ user: UInt32, at path: String, _ folder: String = folder) -> Bool {
        guard user == number(folder) else { return false }
        return user != unknown
            || path.dropLast(path.split(separator: "/").last?.utf8.count ?? 0) == folder + "/"
    }

    /// Whoever alone may write in it.
    private static func owner(of folder: borrowing FileDescriptor) -> UInt32? {
        var status = stat()
        guard fstat(folder.number, &status) == 0, status.st_mode & 0o022 == 0 else { return nil }
        return status.st_uid
    }
}
