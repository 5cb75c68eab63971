import Glibc
import Procfs
import SystemCalls

/// A control group of version 2 for processes of one tree: what stands at this host, or what runs.
struct AcrossGroup {
    let folder: String

    /// Makes one below the group of a process.
    ///
    /// - Parameter isFrozen: whether what is put into it stands (`cgroup.freeze`, Linux 5.2).
    static func make(_ name: String, beside pid: Int32, isFrozen: Bool) throws(MoveError) -> AcrossGroup {
        guard let mounts = try? Mount.all(),
            let mount = mounts.first(where: { $0.type.elementsEqual("cgroup2".utf8) })
        else { throw MoveError("no control groups of version 2 are mounted: processes cannot be kept here") }
        let lines = ProcessDirectory(pid)?.controlGroups() ?? []
        guard
            let line = lines.split(separator: UInt8(ascii: "\n")).first(where: { $0.starts(with: "0::".utf8) }
            )
        else { throw MoveError("process \(pid) is in no control group of version 2") }
        let path = line.dropFirst(3)
        let place = String(
            decoding: mount.point + (path.elementsEqual("/".utf8) ? [] : path), as: UTF8.self)
        let group = AcrossGroup(folder: "\(place)/retinue-across-\(name)")
        guard mkdir(group.folder, 0o755) == 0 || errno == EEXIST else {
            throw MoveError("\(group.folder): \(SystemError.text(of: errno))")
        }
        guard group.members.isEmpty else {
            throw MoveError("\(group.folder) has processes: it is of another order")
        }
        try group.write(isFrozen ? "1" : "0", to: "cgroup.freeze")
        return group
    }

    private func write(_ text: String, to name: String) throws(MoveError) {
        do throws(SystemError) {
            try FileDescriptor.open("\(folder)/\(name)", O_WRONLY).writeAll(Array(text.utf8))
        } catch { throw MoveError("\(folder)/\(name): \(error)") }
    }

    /// Takes a process in, with all of its threads.
    func add(_ pid: Int32) throws(MoveError) { try write("\(pid)", to: "cgroup.procs") }

    func freeze(_ isFrozen: Bool) throws(MoveError) { try write(isFrozen ? "1" : "0", to: "cgroup.freeze") }

    /// Whether all that is in it stands.
    func stands(seconds: Int) -> Bool {
        for _ in 0..<(seconds * 200) {
            let bytes = (try? FileDescriptor.open("\(folder)/cgroup.events", O_RDONLY))?.bytes ?? []
            if String(decoding: bytes, as: UTF8.self).contains("frozen 1") { return true }
            usleep(5_000)
        }
        return false
    }

    /// As this process's pid namespace calls them.
    var members: [Int32] {
        let bytes = (try? FileDescriptor.open("\(folder)/cgroup.procs", O_RDONLY))?.bytes ?? []
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
            Int32(String(decoding: $0, as: UTF8.self))
        }
    }

    /// Ends what is in it (`cgroup.kill`, Linux 5.14), frozen or not, and removes it.
    func end() {
        try? write("1", to: "cgroup.kill")
        for _ in 0..<400 {
            if rmdir(folder) == 0 || errno == ENOENT { return }
            usleep(5_000)
        }
    }

    /// Lets what is in it be where it was before, and removes it.
    func dissolve() {
        let above = AcrossGroup(folder: String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]))
        for pid in members { try? above.add(pid) }
        _ = rmdir(folder)
    }
}
