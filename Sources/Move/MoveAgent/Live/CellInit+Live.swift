import CLinux
import Glibc
import Procfs
import Records
import SystemCalls

/// Programs that are restored, and not started.
extension CellInit {
    /// A file that is made when all is restored.
    static func restored(_ cell: Cell) -> String { cell.folder + "/restored" }

    /// Gives a network that leads nowhere what restored connections need: their own address, and a route to their peers. What is sent
    /// to these is for none of its addresses, and is dropped without an answer, so that no connection is reset.
    static func layNetwork(for address: String?) throws(MoveError) {
        if let address { try ServiceAddress(address)?.add(to: "lo") }
        for family in ["-4", "-6"] {
            let made = try Tool.run(["ip", family, "route", "add", "default", "dev", "lo"], seconds: 10)
            // A kernel without IPv6 has no connections that need it.
            guard made.status == 0 || family == "-6" else { throw MoveError("ip route: \(made.output)") }
        }
    }

    /// What ends now with this process says nothing to its clients, who go on with the source, and leaves no connection in the way of the
    /// next attempt. What was let in ends as any program does.
    static func silence(_ cell: Cell) {
        guard !cell.state.isOn else { return }
        let procfs = cell.root + "/proc"
        for pid in ProcessList.pids(in: procfs) where pid != getpid() {
            TCPRepair.each(of: pid, in: procfs, isIn: false) { TCPRepair.begin($0) }
        }
    }

    /// Restores what the images have.
    ///
    /// - Parameters:
    ///   - fetchesMemory: whether pages that the images have not are fetched once it runs.
    ///   - patience: seconds that the programs wait for those.
    /// - Returns: the pid of each tree's first process, which is what it was; and what fetches.
    static func restore(
        _ cell: Cell, fetchesMemory: Bool, patience: UInt64
    ) throws(MoveError) -> ([pid_t], PageRelay?) {
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
        let there = LivePart.images.folder(of: cell)
        let count = LiveDump.count(below: there)
        guard count > 0, count == 1 || !fetchesMemory else {
            throw MoveError("images of \(count) trees of processes")
        }
        // The programs have the numbers that they had: criu must not have one of them.
        let free = try NamespaceNumber.free(beside: NamespaceNumber.inImages(there))
        let criuWords = { criu.words(below: "/.retinue-restore/criu", $0) }
        var relay: PageRelay?
        if fetchesMemory {
            relay = try PageRelay(
                cell, criuWords, images: LiveDump.images(below: "/.retinue-restore/images", 0),
                there: LiveDump.images(below: there, 0), patience: patience)
        }
        var first: [pid_t] = []
        for number in 0..<count {
            if let file = try? FileDescriptor.open(cell.root + "/proc/sys/kernel/ns_last_pid", O_WRONLY) {
                try? file.writeAll(Array("\(free - 1)".utf8))
            }
            let images = LiveDump.images(below: "/.retinue-restore/images", number)
            let outcome = try Tool.run(
                criuWords(
                    [
                        "restore", "-D", images, "-d", "--tcp-established", "--file-locks", "-o",
                        images + "/restore.log",
                        "-v2", "--pidfile", images + "/pid",
                    ] + (fetchesMemory ? ["--lazy-pages"] : [])), seconds: 120
            ) { $0.root = cell.root }
            let own = LiveDump.images(below: there, number)
            let bytes = (try? FileDescriptor.open(own + "/pid", O_RDONLY))?.bytes ?? []
            guard outcome.status == 0, let pid = pid_t(String(decoding: bytes, as: UTF8.self)) else {
                throw MoveError(
                    "criu cannot restore: \(Criu.errors(own + "/restore.log")) \(outcome.output.prefix(300))"
                )
            }
            first.append(pid)
        }
        if let rest = SafeFile.read(there + "/" + PutBack.name) {
            guard let rest = PutBack(rest) else { throw MoveError("\(PutBack.name) cannot be read") }
            try rest.set(in: cell.root + "/proc")
        }
        relay?.hold()
        let mark = open(restored(cell), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard mark >= 0 else { throw MoveError("\(restored(cell)): \(SystemError.text(of: errno))") }
        close(mark)
        return (first, relay)
    }
}
