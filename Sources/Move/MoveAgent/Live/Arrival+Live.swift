import Glibc
import SystemCalls
import Transfer
import Transport

/// A move of running processes, at the destination.
extension Arrival {
    private var images: String { cell.folder + "/images" }
    private var packetLock: LiveLock { LiveLock(name: name, ports: ports) }

    /// What is brought next are images.
    func beginImages(_ channel: StreamChannel) throws(MoveError) {
        try Criu().needVersion()
        guard mkdir(images, 0o700) == 0 || errno == EEXIST else {
            throw MoveError("\(images): \(SystemError.text(of: errno))")
        }
        filesReceiver = receiver
        do throws(SystemError) {
            receiver = try FileReceiver(over: channel, root: images, own: nil)
        } catch { throw MoveError("\(images): \(error)") }
    }

    func endImages() {
        receiver = filesReceiver
        filesReceiver = nil
    }

    /// Whether the cell's first process has no more need of the images.
    var isRestored: Bool { access(CellInit.restored(cell), F_OK) == 0 }

    /// Before the programs are restored: their address has to be here for their connections, and nothing may answer from it.
    func beginLive(_ address: ServiceAddress?) throws(MoveError) {
        unlink(CellInit.restored(cell))
        try packetLock.load()
        if let address { try address.add(to: "lo") }
    }

    /// Nothing is kept from their connections any more.
    func endLive(_ address: ServiceAddress?) throws(MoveError) {
        guard access(images, F_OK) == 0 else { return }
        try packetLock.remove()
        if let address { try? address.remove(from: "lo") }
        var inside: RootFolder
        do throws(SystemError) { inside = try RootFolder(images) } catch { return }
        for path in inside.paths() { unlink(images + String(decoding: path, as: UTF8.self)) }
        rmdir(images)
    }
}
