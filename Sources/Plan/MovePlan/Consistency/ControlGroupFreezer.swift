import Glibc
import Procfs

/// A control group of version 2 that can be frozen, by its `cgroup.freeze` (Linux 5.2): what is in it does not run, and
/// neither it nor its parents notice.
public struct ControlGroupFreezer {
    /// Its folder.
    public let folder: [UInt8]
    private let tree = HostTree("/")

    /// - Parameter folder: where it lies.
    public init(folder: [UInt8]) { self.folder = folder }

    /// - Parameter workload: its path below the root. `nil` for the root, which cannot be frozen, for one that may not be
    ///   written, and without version 2.
    public init?(workload: [UInt8]) {
        guard !workload.isEmpty,
            let mount = try? Mount.all().first(where: { $0.type.elementsEqual("cgroup2".utf8) })
        else { return nil }
        self.init(folder: mount.point + [UInt8(ascii: "/")] + workload)
        guard tree.status(file("cgroup.freeze")) != nil else { return nil }
    }

    private func file(_ name: String) -> [UInt8] { folder + [UInt8(ascii: "/")] + Array(name.utf8) }

    /// Whether it and the groups below it have no other processes.
    public func holdsOnly(_ members: Set<MemberProcess>) -> Bool {
        let pids = Set(members.map(\.pid))
        var waiting = [folder]
        while let next = waiting.popLast() {
            guard let inside = tree.contents(next + Array("/cgroup.procs".utf8)) else { return false }
            // A process of a pid namespace that is not seen from here has the number 0.
            for line in inside.split(separator: UInt8(ascii: "\n")) {
                guard let pid = Int32(String(decoding: line, as: UTF8.self)), pids.contains(pid) else {
                    return false
                }
            }
            for name in tree.names(in: next) {
                let below = next + [UInt8(ascii: "/")] + name
                if let status = tree.status(below), status.st_mode & S_IFMT == S_IFDIR {
                    waiting.append(below)
                }
            }
        }
        return true
    }

    /// Whether it is frozen by its own setting.
    public var isFrozen: Bool { tree.contents(file("cgroup.freeze"))?.first == UInt8(ascii: "1") }

    /// Whether everything in it stands.
    public var stands: Bool {
        tree.contents(file("cgroup.events"))?.split(separator: UInt8(ascii: "\n")).contains {
            $0.elementsEqual("frozen 1".utf8)
        } ?? false
    }

    /// Freezes it, or lets it go on; whether the kernel has taken that (`errno`).
    public func set(isFrozen: Bool) -> Bool {
        let name = file("cgroup.freeze") + [0]
        let number = name.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { open($0.baseAddress!, O_WRONLY | O_CLOEXEC) }
        }
        guard number >= 0 else { return false }
        defer { close(number) }
        return write(number, isFrozen ? "1" : "0", 1) == 1
    }
}
