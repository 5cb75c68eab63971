/// Names of files in a folder of CRIU's images, `KIND-NUMBER.img`.
enum ImageFile {
    /// Of which process or thread a file is the image, by the number that it has itself.
    ///
    /// - Parameter path: may lie in a folder of one tree.
    /// - Returns: `nil` for a file of another kind.
    static func number(_ path: [UInt8], _ kind: String) -> Int32? {
        let name = String(decoding: path.suffix(while: { $0 != UInt8(ascii: "/") }), as: UTF8.self)
        guard name.hasPrefix(kind + "-"), name.hasSuffix(".img") else { return nil }
        return Int32(name.dropFirst(kind.utf8.count + 1).dropLast(4))
    }
}
