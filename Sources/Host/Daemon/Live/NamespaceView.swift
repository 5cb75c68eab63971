import CLinux
import Glibc
import Procfs
import SystemCalls

/// Another mount namespace as its mount table shows it: under which paths of this namespace its files may lie.
struct NamespaceView: Sendable {
    private let table: MountTable
    private let mounts: [Int: Mount]
    /// The mounts of this namespace by the device of their filesystem.
    private let host: [[UInt8]: [Mount]]
    /// Layers of an overlay that are asked for, one after the other; an image seldom has forty.
    private static let mostLayers = 500

    init(_ mounts: [Mount], host: [Mount]) {
        table = MountTable(mounts)
        self.mounts = Dictionary(mounts.map { ($0.id, $0) }) { first, _ in first }
        self.host = Dictionary(grouping: host, by: \.device)
    }

    /// Paths of this namespace that may lead to the file, the likeliest first: for an overlay through its layers, from the
    /// top, and through each mount that shows the same filesystem here. The layers come first, whoever shows the overlay,
    /// since there its files are reported: a program is the same whether it was met by its exec or by a scan.
    func candidates(for path: [UInt8]) -> [[UInt8]] {
        guard let (mount, inner) = place(of: path) else { return [] }
        let shown = (host[mount.device] ?? []).compactMap { here in
            Self.below(inner, here.root).map { Self.join(here.point, $0) }
        }
        guard mount.type.elementsEqual("overlay".utf8) else { return shown }
        let found =
            Self.layers(mount.superOptions).prefix(Self.mostLayers).map { Self.join($0, inner[...]) } + shown
        return found
    }

    /// The mount on which a path of the other namespace lies, and the path from the top of its filesystem.
    func place(of path: [UInt8]) -> (mount: Mount, inner: [UInt8])? {
        guard let place = table.place(of: path), let mount = mounts[place.mount] else { return nil }
        return (mount, Self.join(mount.root, place.point == 1 ? path[...] : path[place.point...]))
    }

    /// The path of this namespace through a mount of the same filesystem, without asking anybody whether it leads there.
    func pathThroughMount(for path: [UInt8]) -> [UInt8]? {
        guard let place = table.place(of: path), let mount = mounts[place.mount], host[mount.device] != nil
        else { return nil }
        return candidates(for: path).first
    }

    /// The path of the file that an overlay shows under a path: in the uppermost layer that has one of its kind there.
    static func layerPath(of path: [UInt8], on overlay: Mount, _ status: FileStatus) -> [UInt8]? {
        guard let rest = below(path, overlay.point) else { return nil }
        let inner = join(overlay.root, rest)
        for layer in layers(overlay.superOptions).prefix(mostLayers) {
            guard
                let file = try? FileDescriptor.open(
                    bytes: join(layer, inner[...]) + [0], O_PATH | O_NOFOLLOW),
                FileStatus(descriptor: file.number)?.mode == status.mode
            else { continue }
            return SymbolicLink.read("/proc/self/fd/\(file.number)")
        }
        return nil
    }

    /// The layers of an overlay in the order in which a name is looked up: the upper one first. Those that are not
    /// named from the root, or by a descriptor, are left out.
    static func layers(_ options: [UInt8]) -> [[UInt8]] {
        var upper: [[UInt8]] = []
        var lower: [[UInt8]] = []
        for option in split(options, at: UInt8(ascii: ",")) {
            let option = option[...]
            if option.starts(with: "upperdir=".utf8) {
                upper.append(unescape(option.dropFirst("upperdir=".utf8.count)))
            } else if option.starts(with: "lowerdir+=".utf8) {
                lower.append(unescape(option.dropFirst("lowerdir+=".utf8.count)))
            } else if option.starts(with: "lowerdir=".utf8) {
                let list = Array(option.dropFirst("lowerdir=".utf8.count))
                lower += split(list, at: UInt8(ascii: ":")).map { unescape($0[...]) }
            }
        }
        // Two colons stand before a layer of data alone, which has no names.
        return (upper + lower).filter { $0.first == UInt8(ascii: "/") }
    }

    /// The pieces between separators that no backslash stands before.
    private static func split(_ bytes: [UInt8], at separator: UInt8) -> [[UInt8]] {
        var pieces: [[UInt8]] = [[]]
        var isEscaped = false
        for byte in bytes {
            if byte == separator && !isEscaped {
                pieces.append([])
            } else {
                pieces[pieces.count - 1].append(byte)
            }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        }
        return pieces
    }

    private static func unescape(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var isEscaped = false
        for byte in bytes {
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            if !isEscaped { result.append(byte) }
        }
        return result
    }

    /// What of a path lies below a directory; `nil` if it does not.
    static func below(_ path: [UInt8], _ directory: [UInt8]) -> ArraySlice<UInt8>? {
        if directory == [UInt8(ascii: "/")] { return path[...] }
        guard path.starts(with: directory) else { return nil }
        let rest = path[directory.count...]
        return rest.isEmpty || rest.first == UInt8(ascii: "/") ? rest : nil
    }

    static func join(_ directory: [UInt8], _ rest: ArraySlice<UInt8>) -> [UInt8] {
        directory == [UInt8(ascii: "/")] ? (rest.isEmpty ? directory : Array(rest)) : directory + rest
    }
}
