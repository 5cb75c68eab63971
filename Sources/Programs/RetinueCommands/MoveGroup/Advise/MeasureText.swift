import DebianPackages
import MoveGroup
import Records

/// What was measured of a host, for people.
struct MeasureText {
    let measure: HostMeasure
    let width: Int

    /// What each candidate moves.
    var sizes: String {
        guard let root = measure.root else {
            return Paragraph.text(
                "\(Quantity.grouped(measure.paths)) files of this host not measured: run there, or give --root.",
                indent: 0, width: width - 4)
        }
        let place = root.printable
        var table = TextTable([
            .init(title: "AS"), .init(title: "BYTES", isNumber: true), .init(title: "WHAT", cut: .end),
        ])
        let files = Quantity.grouped(measure.files.regular.count)
        table.add(["chroot", bytes(measure.files), "\(files) files of the group, measured below \(place)"])
        if let base = measure.withBase {
            let count = Quantity.grouped(measure.basePackages)
            table.add(["container", bytes(base), "with a minimal base system, \(count) packages"])
        } else {
            table.add(["container", "-", "not measured: no packages to make a base system of"])
        }
        switch measure.system {
        case .usage(let used):
            table.add(["virtual machine", Quantity.bytes(used), "in use on the filesystem at \(place)"])
        case .walk(let sizes, let leftOut):
            let count = Quantity.grouped(sizes.regular.count)
            table.add([
                "virtual machine", bytes(sizes), "\(count) files below \(place), \(leftOut) mounts left out",
            ])
        case .unknown: table.add(["virtual machine", "-", "not measured"])
        }
        return table.text(width: width - 4) + notes
    }

    private func bytes(_ sizes: FileSizes) -> String { Quantity.bytes(sizes.regular.apparent) }

    private var notes: String {
        var notes: [String] = []
        if case .unknown(let why) = measure.system { notes.append("Virtual machine: \(why.printable).") }
        let folders = measure.files.directories.count
        if folders > 0 {
            notes.append(
                folders == 1
                    ? "1 directory counts without what is in it."
                    : "\(Quantity.grouped(folders)) directories count without what is in them.")
        }
        if let packages = measure.packages, !packages.used.isEmpty {
            let copied =
                packages.unpackaged.count + packages.modified.count
                + packages.modifiedConfiguration.count + packages.unverified.count
            notes.append(
                "With the packages installed at the destination (\(bytes(packages.whole))), "
                    + "\(Quantity.grouped(copied)) files with \(bytes(packages.copied)) remain to be copied.")
        }
        return notes.map { Paragraph.text($0, indent: 0, width: width - 4) }.joined()
    }

    /// The packages, or why there are none.
    var packages: String {
        var text = ""
        if let packages = measure.packages, !packages.used.isEmpty {
            var table = TextTable([
                .init(title: "PACKAGE", cut: .end), .init(title: "VERSION", cut: .end),
                .init(title: "FILES", isNumber: true), .init(title: "OF", isNumber: true),
                .init(title: "BYTES", isNumber: true), .init(title: "OF", isNumber: true),
            ])
            for used in packages.used {
                table.add([
                    used.name.printable, used.version.printable, Quantity.grouped(used.files),
                    Quantity.grouped(used.owned), Quantity.bytes(used.bytes), Quantity.bytes(used.ownedBytes),
                ])
            }
            text = table.text(width: width - 4)
        }
        if let remark = measure.remark {
            text += Paragraph.text(remark.printable, indent: 0, width: width - 4)
        }
        return text
    }

    /// Files that need a look, under titles; those without any are left out.
    var lists: [(title: String, paths: [[UInt8]])] {
        guard measure.root != nil else { return [] }
        let packages = measure.packages
        let all: [(String, [[UInt8]])] = [
            ("files of no package, to be copied", packages?.unpackaged ?? []),
            ("changed files of packages, to be copied", packages?.modified ?? []),
            ("changed configuration of packages, to be copied", packages?.modifiedConfiguration ?? []),
            ("files of packages that cannot be compared, to be copied", packages?.unverified ?? []),
            ("files that are no longer there", measure.files.missing),
            ("files that cannot be looked at", measure.files.unreadable),
        ]
        return all.filter { !$0.1.isEmpty }.map { (title: $0.0, paths: $0.1) }
    }
}
