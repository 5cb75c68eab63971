import Glibc

/// Questions about a directory that is named by hand.
enum FileProbe {
    static func isDirectory(_ path: String) -> Bool {
        status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    }

    /// Whether a filesystem begins at a directory, so that asking how full it is says something of it.
    static func isFilesystem(_ path: String) -> Bool {
        guard let inside = status(path), let above = status(path + "/..") else { return false }
        // The root of everything is its own parent.
        return inside.st_dev != above.st_dev || inside.st_ino == above.st_ino
    }

    private static func status(_ path: String) -> stat? {
        var answer = stat()
        return stat(path, &answer) == 0 ? answer : nil
    }
}
