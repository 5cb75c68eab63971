/// The path of a file on a filesystem that the daemon's mount namespace does not show: `/mnt:NAME/…`, where NAME is the
/// workload in which the namespace was met, its slashes written as `%2F`, or the number of the namespace and a time;
/// behind it stands the path in that namespace. One component, so that no file of the host has such a path unless somebody makes
/// `/mnt:…` in its root.
public struct MountNamespacePath: Equatable {
    /// The name of the namespace: the workload; where it has none, the namespace's inode and the second since 1970 in which
    /// it was met; both where several namespaces of one workload were there at a time
    /// (`a.service:4026532256-1764276571`).
    public var namespace: [UInt8]
    /// The path in the namespace.
    public var path: [UInt8]

    /// What the first component begins with.
    public static let prefix = Array("mnt:".utf8)

    /// Takes a path apart; `nil` for a path of the daemon's own namespace.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard Self.mayBegin(bytes) else { return nil }
        let label = bytes[5...].prefix { $0 != UInt8(ascii: "/") }
        path = Array(bytes[(5 + label.count)...])
        if path.isEmpty { path = [UInt8(ascii: "/")] }
        namespace = []
        var rest = label[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%") where rest.starts(with: "2F".utf8):
                namespace.append(UInt8(ascii: "/"))
                rest = rest.dropFirst(2)
            case UInt8(ascii: "%") where rest.starts(with: "25".utf8):
                namespace.append(byte)
                rest = rest.dropFirst(2)
            default: namespace.append(byte)
            }
        }
    }

    /// Whether a path begins so, recognised by the four bytes `/mnt` and the colon: asked for every record of a dump.
    @inline(__always)
    static func mayBegin(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count > 5 && bytes[4] == UInt8(ascii: ":")
            && bytes.loadUnaligned(as: UInt32.self) == 0x746e_6d2f.littleEndian
    }

    /// The first component of the paths of a namespace.
    public static func label(_ namespace: [UInt8]) -> [UInt8] {
        prefix
            + namespace.flatMap { byte -> [UInt8] in
                switch byte {
                case UInt8(ascii: "/"): Array("%2F".utf8)
                case UInt8(ascii: "%"): Array("%25".utf8)
                default: [byte]
                }
            }
    }
}
