import CLinux
import Glibc
public import SystemCalls

/// A connection to the keeper of a folder.
public struct KeeperLink: ~Copyable {
    let socket: FileDescriptor

    /// Connects; ECONNREFUSED or ENOENT where no keeper is.
    init(_ folder: String) throws(SystemError) { socket = try KeeperSocket.connect(folder) }

    /// Asks for the group; `nil` where the keeper has none.
    borrowing func ask(_ kind: KeeperMessage.Kind, seconds: Int32 = 5) throws(SystemError) -> FileDescriptor?
    {
        _ = try KeeperMessage(kind).send(over: socket.number)
        var waiting = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, seconds * 1000) > 0,
            let (message, descriptor) = try KeeperMessage.receive(from: socket.number)
        else { throw SystemError("recvmsg", code: ETIMEDOUT) }
        guard message.kind == .group, descriptor >= 0 else {
            if descriptor >= 0 { close(descriptor) }
            return nil
        }
        return FileDescriptor(owning: descriptor)
    }

    /// Has a keeper end, where there is one: no program may be left that reads what is not there.
    public static func end(_ folder: String) throws(SystemError) {
        let link = try KeeperLink(folder)
        _ = try link.ask(.fill)
        _ = try KeeperMessage(.end).send(over: link.socket.number)
    }

    /// The group of a folder's placeholders, for a process that is to keep it too: as long as it lives, no program reads what
    /// is not there.
    public static func hold(_ folder: String) throws(SystemError) -> FileDescriptor {
        let link = try KeeperLink(folder)
        guard let group = try link.ask(.hold) else { throw SystemError("recvmsg", code: ENOENT) }
        return group
    }
}
