import CLinux
import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import Text

/// A filesystem of another machine that both hosts of a move have mounted at the same place: its files are neither sent nor
/// written, and the programs find them there.
struct SharedStorage: Equatable {
    /// Where it is mounted.
    var point: [UInt8]
    /// Of mountinfo (proc_pid_mountinfo(5)): the filesystem's type, what is mounted, and which directory of it.
    var type: [UInt8]
    var source: [UInt8]
    var root: [UInt8]

    var value: JSONValue {
        .object([
            .init("point", .string(PlanText.text(point))), .init("type", .string(PlanText.text(type))),
            .init("source", .string(PlanText.text(source))), .init("root", .string(PlanText.text(root))),
        ])
    }

    init?(_ value: JSONValue) {
        func bytes(_ key: String) -> [UInt8]? { value[key]?.string.flatMap { PlanText.bytes($0) } }
        guard let point = bytes("point"), point.count > 1, point.first == UInt8(ascii: "/"),
            !point.contains(0), let type = bytes("type"), let source = bytes("source"),
            let root = bytes("root")
        else { return nil }
        (self.point, self.type, self.source, self.root) = (point, type, source, root)
    }

    /// - Returns: `nil` for a filesystem of which the mount's words do not say which one it is, whichever host says them.
    init?(_ mount: Mount) {
        guard Self.types.contains(String(decoding: mount.type, as: UTF8.self)), mount.point.count > 1,
            Self.server(of: mount.source) != nil
        else { return nil }
        (point, type, source, root) = (mount.point, mount.type, mount.source, mount.root)
    }

    /// Filesystems that are mounted by their server's name. One of a tag (9p, virtiofs) or of a device is not.
    private static let types: Set<String> = [
        "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs",
    ]

    /// Of `server:/folder`, `user@server:/folder`, `[2001:db8::1]:/folder` and `//server/share`; `nil` where it is this host itself,
    /// or no server.
    static func server(of source: [UInt8]) -> String? {
        let text = String(decoding: source, as: UTF8.self)
        var host: Substring
        if text.hasPrefix("//") {
            host = text.dropFirst(2).prefix { $0 != "/" }
        } else if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
        } else {
            guard let colon = text.firstIndex(of: ":") else { return nil }
            host = text[..<colon]
            guard !host.contains("/") else { return nil }
        }
        if let at = host.lastIndex(of: "@") { host = host[host.index(after: at)...] }
        let isOwn =
            host.isEmpty || host.hasPrefix("127.") || host == "::1" || host.lowercased() == "localhost"
            || host.lowercased().hasPrefix("localhost.")
        return isOwn ? nil : String(host)
    }

    /// Those of a host, each once; what another mount was laid over is not seen by anybody.
    static func all(in mounts: [Mount]) -> [SharedStorage] {
        mounts.indices.compactMap { index in
            let mount = mounts[index]
            let isCovered = mounts[(index + 1)...].contains { mount.point.isBelow($0.point) }
            return isCovered ? nil : SharedStorage(mount)
        }
    }

    /// Those of this host.
    static func here() -> [SharedStorage] { all(in: (try? Mount.all()) ?? []) }

    var text: String { "\(Printable.text(point)) (\(Printable.text(source)))" }

    // MARK: The same files

    /// Names that are compared, at most.
    private static let mostNames = 16

    /// Some of what lies in it, by which the other host sees that its mount has the same files: name, and size of a file or -1.
    var sample: [(name: [UInt8], size: Int64)] {
        guard let stream = opendir(point.map { CChar(bitPattern: $0) } + [0]) else { return [] }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while names.count < Self.mostNames, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [UInt8(ascii: ".")], name != Array("..".utf8) { names.append(name) }
        }
        return names.compactMap { name in size(of: name).map { (name, $0) } }
    }

    /// The size of a file in it; -1 of anything else, `nil` where there is nothing.
    private func size(of name: [UInt8]) -> Int64? {
        var status = stat()
        let path = point + [UInt8(ascii: "/")] + name
        guard lstat(path.map { CChar(bitPattern: $0) } + [0], &status) == 0 else { return nil }
        return status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : -1
    }

    /// Whether what another host has in it is here too. Files grow meanwhile: half of the sizes may be others.
    func has(_ sample: [(name: [UInt8], size: Int64)]) -> Bool {
        let found = sample.map { size(of: $0.name) }
        guard !found.contains(where: { $0 == nil }) else { return false }
        return zip(found, sample).count { $0 == $1.size } * 2 >= sample.count
    }
}
