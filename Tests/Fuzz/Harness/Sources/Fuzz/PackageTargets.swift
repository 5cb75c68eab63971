@testable import LanguagePackages
@testable import RPMPackages

/// What package managers have on disk.
enum PackageTargets {
    /// The same with the size of the data that there are.
    private static func fitted(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 8 else { return bytes }
        let count = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
        let size = bytes.count - 8 - 16 * count
        guard size >= 0 else { return bytes }
        return bytes[..<4] + (0..<4).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) } + bytes[8...]
    }

    static let all = [
        FuzzTarget(name: "rpm-header") { bytes in
            _ = try? RPMHeader(bytes)
            // Else what is longer or shorter than it says would end there.
            guard let header = try? RPMHeader(fitted(bytes)) else { return }
            if let package = try? RPMPackage(header, 1) {
                require(!package.name.isEmpty, "a package without a name")
            }
            guard let files = try? RPMFiles(header) else { return }
            for index in 0..<files.count {
                let record = files.record(index)
                _ = (files.path(index), files.digest(record), files.target(record), files.isBrought(index))
            }
        },
        FuzzTarget(name: "language-records") { bytes in
            let rest = Array(bytes.dropFirst())
            switch (bytes.first ?? 0) % 8 {
            case 0:
                for file in PythonRecords.files(record: rest) {
                    require(!file.path.isEmpty && !file.path.contains(0), "a file without a name")
                    let path = PathWalk.join(Array("/site".utf8), file.path)
                    require(path.isEmpty || path.first == 0x2f, "not absolute")
                    require(!PathWalk.parts(path).contains { $0.elementsEqual("..".utf8) }, "not resolved")
                }
            case 1: require(PythonRecords.names(metadata: rest)?.name.isEmpty != true, "no name")
            case 2: _ = PythonRecords.origin(directURL: rest)
            case 3:
                for path in PythonRecords.folders(path: rest, in: Array("/site".utf8)) {
                    require(path.first == 0x2f && path.count > 1, "not absolute")
                }
            case 4:
                for path in PythonRecords.folders(finder: rest) {
                    require(path.first == 0x2f && path.count > 1, "not absolute")
                }
            case 5: require(NodePackages.names(manifest: rest)?.version.isEmpty != true, "no version")
            case 6: _ = NodePackages.listed(lock: rest)
            default: require(Gems.names(specification: rest)?.name.isEmpty != true, "no name")
            }
        },
    ]
}
