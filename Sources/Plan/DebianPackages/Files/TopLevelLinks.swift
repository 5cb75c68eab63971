/// Symbolic links in the root directory itself, such as /bin -> usr/bin.
///
/// Since the merge of /bin, /sbin and /lib* into /usr a package may still list `/bin/bash`, where the kernel
/// reports `/usr/bin/bash`. Both are brought to the second form, by the links that are there; a system that
/// was not merged has none, and keeps its names.
struct TopLevelLinks: Sendable {
    /// `/bin/`, and what stands for it: `/usr/bin/`.
    private(set) var links: [(from: [UInt8], to: [UInt8])] = []

    /// Takes names in the root directory and their targets.
    init(_ links: [(name: [UInt8], target: [UInt8])]) {
        for (name, target) in links where !name.isEmpty {
            let slash = UInt8(ascii: "/")
            var parts: [ArraySlice<UInt8>] = []
            for part in target.split(separator: slash) {
                if part.elementsEqual(".".utf8) { continue }
                if part.elementsEqual("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
            }
            // A link to the root itself, or to a place in itself, would lead round in a circle.
            guard let first = parts.first, !first.elementsEqual(name) else { continue }
            self.links.append(
                ([slash] + name + [slash], [slash] + parts.joined(separator: [slash]) + [slash]))
        }
    }

    /// Reads the links that are in `root` now; a root that cannot be read has none.
    init(in root: FileRoot) {
        let names = (try? root.names(in: [UInt8(ascii: "/")])) ?? []
        self.init(
            names.compactMap { name in
                root.link([UInt8(ascii: "/")] + name).map { (name, $0) }
            })
    }

    /// What a path starts with that has to be replaced: how many bytes, and by which. The link itself stands
    /// for its target too: packages that list `/bin` mean the directory.
    @inline(__always)
    func replacement(_ path: UnsafeRawBufferPointer) -> (count: Int, by: ArraySlice<UInt8>)? {
        guard path.count > 1 else { return nil }
        for link in links where path[1] == link.from[1] {
            if path.starts(with: link.from) { return (link.from.count, link.to[...]) }
            if path.count == link.from.count - 1, link.from.starts(with: path) {
                return (path.count, link.to.dropLast())
            }
        }
        return nil
    }

    /// The path that the kernel reports for a path in the database.
    func resolve(_ path: some Collection<UInt8>) -> [UInt8] {
        var path = Array(path)
        // A link may lead to another one; a circle has to end.
        for _ in 0..<8 {
            guard let (count, by) = path.withUnsafeBytes({ replacement($0) }) else { break }
            path.replaceSubrange(..<count, with: by)
        }
        return path
    }
}
