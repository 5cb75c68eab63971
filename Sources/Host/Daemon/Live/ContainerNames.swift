import Glibc
import Procfs
import Synchronization
import SystemCalls

/// The names of containers, in place of their numbers in a control group's path.
///
/// `docker-6f3c….scope` is made anew with each container, and nobody types it: it is recorded as `docker-web.scope`. What
/// the engine has written down says so; the engine itself is not asked, and need not run. What is not found keeps its
/// number. An answer stands as long as the daemon runs, so that a program does not become another one.
final class ContainerNames: Sendable {
    /// Those of this host.
    static let host = ContainerNames()

    /// Bytes of a file of state that are read at most.
    private static let mostBytes = 4 << 20
    /// Containers that are kept in mind; beyond that all are looked up again.
    private static let mostKnown = 4096

    private let known = Mutex<[[UInt8]: [UInt8]?]>([:])
    /// What /proc/PID/cgroup said last, and the workload that it names: mostly the next process is of the same group.
    private let last = Mutex<(read: [UInt8], workload: [UInt8]?)?>(nil)
    private let root: String

    /// - Parameter root: where the host's files lie: another folder for tests.
    init(root: String = "") { self.root = root }

    /// The workload that the bytes of /proc/PID/cgroup name.
    func workload(ofGroups bytes: [UInt8]) -> [UInt8]? {
        if let known = last.withLock({ $0?.read == bytes ? $0 : nil }) { return known.workload }
        let workload = named(ProcessDirectory.controlGroup(of: bytes))
        last.withLock { $0 = (bytes, workload) }
        return workload
    }

    /// A control group's path with the names of its containers.
    func named(_ group: [UInt8]?) -> [UInt8]? {
        guard let group, let numbers = Self.number(in: group) else { return group }
        let id = Array(group[numbers])
        guard let name = name(of: id) else { return group }
        return Array(group[..<numbers.lowerBound]) + name + group[numbers.upperBound...]
    }

    /// Where a container's number stands in a path: 64 hexadecimal digits that are all of a name, or stand between the
    /// engine's word and `.scope`.
    static func number(in path: [UInt8]) -> Range<Int>? {
        guard path.count >= 64 else { return nil }
        var start = 0
        for index in 0...path.count {
            let isDigit = index < path.count && (path[index] &- 48 < 10 || path[index] &- 97 < 6)
            if isDigit { continue }
            if index - start == 64,
                start == 0 || path[start - 1] == UInt8(ascii: "/")
                    || path[start - 1] == UInt8(ascii: "-"),
                index == path.count || path[index] == UInt8(ascii: "/") || path[index] == UInt8(ascii: ".")
            {
                return start..<index
            }
            start = index + 1
        }
        return nil
    }

    private func name(of id: [UInt8]) -> [UInt8]? {
        if let name = known.withLock({ $0[id] }) { return name }
        let name = read(id)
        known.withLock { known in
            if known.count >= Self.mostKnown { known.removeAll() }
            known[id] = .some(name)
        }
        return name
    }

    private func read(_ id: [UInt8]) -> [UInt8]? {
        let text = String(decoding: id, as: UTF8.self)
        if let bytes = contents("/var/lib/docker/containers/\(text)/config.v2.json"),
            let name = ContainerState.dockerName(bytes)
        {
            return name
        }
        if let bytes = contents("/var/lib/containers/storage/overlay-containers/containers.json"),
            let name = ContainerState.podmanName(bytes, id: id)
        {
            return name
        }
        for space in ["k8s.io", "default"] {
            let path = "/run/containerd/io.containerd.runtime.v2.task/\(space)/\(text)/config.json"
            if let bytes = contents(path), let name = ContainerState.bundleName(bytes) { return name }
        }
        return nil
    }

    private func contents(_ path: String) -> [UInt8]? {
        guard let file = try? FileDescriptor.open(root + path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else {
            return nil
        }
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size <= Self.mostBytes
        else { return nil }
        return try? file.readAll(limit: Self.mostBytes)
    }
}
