/// What went wrong in a test's own machinery, as a sentence.
package struct Failure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
