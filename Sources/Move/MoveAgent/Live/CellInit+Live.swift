import CLinux
import Glibc
import Records
import SystemCalls

/// Programs that are restored, and not started.
extension CellInit {
    /// A file that is made when all is restored.
    static func restored(_ cell: Cell) -> String { cell.folder + "/restored" }

    /// Restores what the images have.
    ///
    /// - Parameter fetchesMemory: whether pages that the images have not are fetched once it runs.
    /// - Returns: the first process's pid, which is what it was; and what fetches.
    static func restore(_ cell: Cell, fetchesMemory: Bool) throws(MoveError) -> (pid_t, PageRelay?) {
        let criu = try Criu()
        let place = cell.root + "/.retinue-restore"
        mkdir(place, 0o700)
        let parts = [LivePart.images, .ahead].map { ($0.folder(of: cell), "/\($0.rawValue)") }
        let laid = [(criu.tree, "/criu")] + parts.filter { access($0.0, F_OK) == 0 }
        for (source, name) in laid {
            mkdir(place + name, 0o700)
            guard mount(source, place + name, nil, clinux_MS_BIND, nil) == 0 else {
                throw MoveError("mount \(place)\(name): \(SystemError.text(of: errno))")
            }
        }
        // The programs were let out of these.
        defer {
            for (_, name) in laid {
                umount2(place + name, Int32(MNT_DETACH))
                rmdir(place + name)
            }
            rmdir(place)
        }
        try SharedMemoryFiles.lay(cell)
        // The programs have the numbers that they had: criu must not have one of them.
        let free = try NamespaceNumber.free(
            beside: NamespaceNumber.inImages(LivePart.images.folder(of: cell)))
        if let file = try? FileDescriptor.open(cell.root + "/proc/sys/kernel/ns_last_pid", O_WRONLY) {
            try? file.writeAll(Array("\(free - 1)".utf8))
        }
        let images = "/.retinue-restore/images"
        var relay: PageRelay?
        if fetchesMemory {
            relay = try PageRelay(cell, { criu.words(below: "/.retinue-restore/criu", $0) }, images: images)
        }
        let outcome = try Tool.run(
            criu.words(
                below: "/.retinue-restore/criu",
                [
                    "restore", "-D", images, "-d", "--tcp-established", "--file-locks", "-o",
                    images + "/restore.log",
                    "-v2", "--pidfile", images + "/pid",
                ] + (fetchesMemory ? ["--lazy-pages"] : [])), seconds: 120
        ) { $0.root = cell.root }
        let bytes = (try? FileDescriptor.open(cell.folder + "/images/pid", O_RDONLY))?.bytes ?? []
        guard outcome.status == 0, let pid = pid_t(String(decoding: bytes, as: UTF8.self)) else {
            throw MoveError(
                "criu cannot restore: \(Criu.errors(cell.folder + "/images/restore.log")) \(outcome.output.prefix(300))"
            )
        }
        relay?.hold()
        let mark = open(restored(cell), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard mark >= 0 else { throw MoveError("\(restored(cell)): \(SystemError.text(of: errno))") }
        close(mark)
        return (pid, relay)
    }
}
