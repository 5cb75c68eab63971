/// The modules by which the C library looks up names: nsswitch.conf(5) names them, and programs load them when they ask for
/// a user, a group or a host the first time.
struct NameServices {
    /// Their files, as the library asks for them.
    private(set) var modules: [[UInt8]] = []

    init(_ tree: HostTree) {
        let text = String(decoding: tree.contents(Array("/etc/nsswitch.conf".utf8)) ?? [], as: UTF8.self)
        var names: Set<String> = []
        for line in text.split(separator: "\n") {
            // `hosts: files mdns4_minimal [NOTFOUND=return] dns # why`
            let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }
            guard words.first?.hasSuffix(":") == true else { continue }
            for word in words.dropFirst() where word.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) {
                names.insert(String(word))
            }
        }
        let lib = Array("/usr/lib".utf8)
        var folders = [lib, lib + Array("64".utf8)]
        for name in tree.names(in: lib) where String(decoding: name, as: UTF8.self).contains("-linux-") {
            folders.append(lib + [UInt8(ascii: "/")] + name)
        }
        for name in names.sorted() {
            for folder in folders {
                let module = folder + Array("/libnss_\(name).so.2".utf8)
                if tree.status(module) != nil { modules.append(module) }
            }
        }
    }
}
