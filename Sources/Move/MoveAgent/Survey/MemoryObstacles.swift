import Procfs
import Text

/// What CRIU refuses of a process's memory, and what of it is no longer shared after the move.
struct MemoryObstacles {
    let relations: Relations

    /// Memory that others may have as well: what is mapped shared, of whatever file.
    static func wanted(of process: SurveyedProcess) -> Set<Holders.SharedPlace> {
        Set(process.areas.filter { $0.isShared && $0.inode != 0 || isSegment($0) }.map { .init($0) })
    }

    /// A System V segment of id 0 has inode 0.
    private static func isSegment(_ area: MemoryArea) -> Bool {
        area.isShared && area.path.starts(with: "/SYSV".utf8)
    }

    func found(
        _ process: SurveyedProcess, _ directory: borrowing ProcessDirectory, _ holders: Holders
    ) -> [Obstacle] {
        let open = Set(process.descriptors.map(\.target))
        var obstacles: [Obstacle] = []
        var seen: Set<[UInt8]> = []
        for area in process.areas {
            var obstacle = Obstacle(
                rulesOut: .live, effect: .refused, pid: process.pid, place: .memory, kind: "", what: "",
                peer: nil, cure: "unmap it, or use cold")
            let name = Printable.text(area.path)
            if isShared(area, process, holders, &obstacle) {
                obstacle.what = "shared memory, \(name)"
                if seen.insert(area.path + [0]).inserted { obstacles.append(obstacle) }
            }
            (obstacle.effect, obstacle.peer, obstacle.cure) = (.refused, nil, "unmap it, or use cold")
            if isRefused(area, name, directory, &obstacle), !open.contains(area.path),
                seen.insert(area.path).inserted
            {
                obstacles.append(obstacle)
            }
        }
        return obstacles
    }

    /// Whether one that stays behind, or another tree, has it as well, and either writes to it.
    private func isShared(
        _ area: MemoryArea, _ process: SurveyedProcess, _ holders: Holders, _ obstacle: inout Obstacle
    ) -> Bool {
        guard area.isShared, let there = holders.memory[.init(area)] else { return false }
        let others = there.filter { area.isWritable || $0.isWritable }.map(\.pid)
        guard let outsider = relations.outsider(among: others, to: process.tree) else { return false }
        (obstacle.effect, obstacle.kind) = (.lost, "shared-memory")
        obstacle.peer = outsider.name
        obstacle.cure = outsider.cure(close: "unmap it")
        return true
    }

    private func isRefused(
        _ area: MemoryArea, _ name: String, _ directory: borrowing ProcessDirectory,
        _ obstacle: inout Obstacle
    ) -> Bool {
        switch DescriptorKind(area.path) {
        case .anonymous(let word) where !DescriptorKind.kept.contains(word):
            (obstacle.kind, obstacle.what) = (word, "memory of \(word)")
        case .secret:
            (obstacle.kind, obstacle.what) = ("secret-memory", "memory of memfd_secret(2)")
        case .path(let path):
            if path.starts(with: "/dev/".utf8), !Self.isMemory(path) {
                (obstacle.kind, obstacle.what) = ("device", "memory of the device \(name)")
            } else if area.isDeleted, Self.isFile(path), let size = directory.statistics(of: area)?.size,
                size > DescriptorObstacles.ghostLimit
            {
                (obstacle.kind, obstacle.what) = ("deleted-file", "\(name), of \(size) bytes")
                obstacle.cure = "start the program again, so that it runs what is there now, or use cold"
            } else {
                return false
            }
        default:
            guard area.path.elementsEqual("[uprobes]".utf8) else { return false }
            (obstacle.kind, obstacle.what) = ("uprobes", "probes in its code (uprobes)")
            obstacle.cure =
                "end what probes it, such as bpftrace(8) or perf(1), and start it again; or use cold"
        }
        return true
    }

    /// What lies below /dev and is memory all the same.
    private static func isMemory(_ path: [UInt8]) -> Bool {
        ["/dev/shm/", "/dev/zero", "/dev/hugepages"].contains { path.starts(with: $0.utf8) }
    }

    private static func isFile(_ path: [UInt8]) -> Bool {
        !["/SYSV", "/dev/zero", "/[aio]", "/anon_hugepage"].contains { path.starts(with: $0.utf8) }
    }
}
