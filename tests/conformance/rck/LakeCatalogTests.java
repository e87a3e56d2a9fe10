package lake;

import org.apache.iceberg.rest.RESTCompatibilityKitCatalogTests;

/** The kit's tests of tables and namespaces, told in the kit's own way what this catalog can do. */
public class LakeCatalogTests extends RESTCompatibilityKitCatalogTests {
  @Override
  protected boolean supportsNestedNamespaces() {
    return true;
  }

  @Override
  protected boolean supportsEmptyNamespace() {
    return true;
  }
}
