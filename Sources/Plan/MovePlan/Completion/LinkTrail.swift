import Glibc

/// The symbolic links by which programs come to what moves.
///
/// Records have paths as the kernel names files, without links: `/usr/lib/x86_64-linux-gnu/libm.so.6` is asked for through
/// `/lib`, `/usr/sbin/sendmail` through /etc/alternatives. Nobody reports a link that was followed. So the folders in which
/// members lie, those above, and those in which links are kept are read, and every link that leads to something of the
/// plan, or to a folder above it, is taken.
struct LinkTrail {
    private let tree: HostTree
    /// Folders that are for links.
    private static let folders = [
        "/", "/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64",
        "/usr/local/bin",
        "/usr/local/lib", "/usr/local/sbin", "/etc", "/etc/alternatives", "/etc/ssl", "/etc/ssl/certs",
        "/var", "/opt",
        "/srv",
    ].map { Array($0.utf8) }

    init(_ tree: HostTree) { self.tree = tree }

    /// Links that lead to one of some paths, or to a folder above one, by where they lie; with their targets' ends.
    func links(to paths: some Sequence<[UInt8]>) -> [(place: [UInt8], end: [UInt8])] {
        var wanted: Set<[UInt8]> = []
        var folders = Set(Self.folders)
        for path in paths {
            wanted.insert(path)
            for folder in path.ancestors {
                wanted.insert(folder)
                folders.insert(folder)
            }
        }
        var found: [[UInt8]: [UInt8]] = [:]
        for folder in folders {
            // A folder that is a link is looked at where it leads.
            guard let status = tree.status(folder), status.st_mode & S_IFMT == S_IFDIR else { continue }
            for name in tree.names(in: folder) {
                let place = (folder.count == 1 ? [] : folder) + [UInt8(ascii: "/")] + name
                guard let status = tree.status(place), status.st_mode & S_IFMT == S_IFLNK else { continue }
                let way = tree.way(place)
                guard let end = way.end, wanted.contains(end) else { continue }
                for link in way.links { found[link] = end }
            }
        }
        return found.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map {
            (place: $0.key, end: $0.value)
        }
    }
}
