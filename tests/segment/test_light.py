import subprocess
import sys


def test_importing_the_package_loads_no_network_library():
    code = (
        "import sys, immunescape.segment\n"
        "heavy = {'torch', 'cellpose', 'cv2', 'skimage'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
