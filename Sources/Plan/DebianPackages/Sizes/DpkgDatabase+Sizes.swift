/// What a set of packages takes.
public struct PackageSizes: Equatable, Sendable {
    /// The files that the packages list, as they are on the system now.
    public var files = FileSizes()
    /// Packages whose file list cannot be read: their files are not in the sum.
    public var withoutList: [PackageID] = []
}

extension DpkgDatabase {
    /// Measures the files of some packages on the disk: what is there now, not what the packages declare.
    ///
    /// A file or directory that several of them list counts once.
    public func sizes(of ids: some Sequence<PackageID>) -> PackageSizes {
        var meter = FileMeter(root: root)
        var result = PackageSizes()
        for id in ids {
            guard let files = try? files(of: id) else {
                result.withoutList.append(id)
                continue
            }
            for path in files { meter.add(path) }
        }
        result.files = meter.sizes
        return result
    }
}
